/**
 * Natural batching: what queued while the last call ran goes into the next. One queue, one call in flight, and the next
 * call is under way before the answers of the last one are given out. Alone, an item waits for nobody.
 *
 * More than one call in flight made one hot account slower (two: 0.6x, four: 0.5x), for they only wait for its lock.
 *
 * A call takes half of those who are about: the waiting, and those just answered, who are likely to ask again. Taking all
 * that wait settles into calls of 63 and of 1, and PostgreSQL idles while the 63 are told; in halves, one half is decided
 * while the other is told and asks again.
 */
export interface BatcherOptions<Item, Answer> {
  send(items: Item[]): Sending<Answer>;
  /** No call carries more. */
  batchMax: number;
  /** How long a call may take. Whoever queued behind a late one is told so too, at once. */
  deadlineMs: number;
  /** What the caller gets when the deadline has passed. */
  late(): Error;
}

export interface Sending<Answer> {
  /** In the order of the items; an Error is for its own item, a rejection for all of them. */
  answers: Promise<(Answer | Error)[]>;
  /** Called once the deadline has passed: nobody will read the answers. */
  abandon(): void;
}

interface Waiting<Item, Answer> {
  item: Item;
  resolve(answer: Answer): void;
  reject(error: unknown): void;
}

export interface Batcher<Item, Answer> {
  ask(item: Item): Promise<Answer>;
}

export function openBatcher<Item, Answer>(options: BatcherOptions<Item, Answer>): Batcher<Item, Answer> {
  let queue: Waiting<Item, Answer>[] = [];
  let inFlight: { batch: Waiting<Item, Answer>[]; settled: boolean } | undefined;

  function dispatch(justAnswered: number): void {
    if (queue.length === 0) {
      inFlight = undefined;
      return;
    }
    const size = Math.min(options.batchMax, Math.ceil((queue.length + justAnswered) / 2));
    const batch = queue.slice(0, size);
    queue = queue.slice(size);
    const flight = { batch, settled: false };
    inFlight = flight;

    const sending = options.send(batch.map(({ item }) => item));
    const land = (give: () => void): void => {
      if (flight.settled) return;
      flight.settled = true;
      clearTimeout(timer);
      dispatch(batch.length); // Before the answers: their callers' work runs while PostgreSQL does ours.
      give();
    };
    // When a call hangs, what waits behind it would hang next: all are told, and whoever asks from then on tries a new call.
    const timer = setTimeout(() => {
      const stranded = queue;
      queue = [];
      land(() => {
        for (const { reject } of [...batch, ...stranded]) reject(options.late());
      });
      sending.abandon();
    }, options.deadlineMs);
    sending.answers.then(
      (answers) =>
        land(() =>
          batch.forEach(({ resolve, reject }, index) => {
            const answer = answers[index];
            if (answer === undefined) reject(new Error(`a batch of ${batch.length} had no answer ${index}`));
            else if (answer instanceof Error) reject(answer);
            else resolve(answer);
          }),
        ),
      (error: unknown) => land(() => batch.forEach(({ reject }) => reject(error))),
    );
  }

  return {
    ask: (item) =>
      new Promise((resolve, reject) => {
        queue.push({ item, resolve, reject });
        // Whoever asks in the same tick goes along.
        if (!inFlight) {
          inFlight = { batch: [], settled: false };
          queueMicrotask(() => dispatch(0));
        }
      }),
  };
}
