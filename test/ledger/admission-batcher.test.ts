/** The queue in front of place_holds: nobody waits for nothing, nobody waits for ever, nobody pays for a neighbour. */
import { openBatcher, type BatcherOptions } from '../../ledger/batcher';

/** A ledger that answers when it is told to. */
function openSlowLedger(options: Partial<BatcherOptions<number, string>> = {}) {
  const calls: {
    items: number[];
    answer(answers?: (string | Error)[]): void;
    fail(error: Error): void;
    abandoned: boolean;
  }[] = [];
  const batcher = openBatcher<number, string>({
    batchMax: 64,
    deadlineMs: 60_000,
    late: () => new Error('late'),
    send(items) {
      const { promise, resolve, reject } = deferred<(string | Error)[]>();
      const call = {
        items,
        answer: (answers = items.map((item) => `answer ${item}`)) => resolve(answers),
        fail: reject,
        abandoned: false,
      };
      calls.push(call);
      return { answers: promise, abandon: () => void (call.abandoned = true) };
    },
    ...options,
  });
  return { calls, batcher, sizes: () => calls.map(({ items }) => items.length) };
}

function deferred<T>() {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test('one caller alone is sent at once', async () => {
  const { calls, batcher } = openSlowLedger();
  const answer = batcher.ask(1);
  await settled();
  calls[0]?.answer();
  expect(await answer).toBe('answer 1');
});

test('one call is in flight; what queues meanwhile goes into the next, in order, and each gets his own answer', async () => {
  const { calls, batcher } = openSlowLedger();
  const answers = [batcher.ask(1)];
  await settled();
  answers.push(batcher.ask(2), batcher.ask(3), batcher.ask(4));
  await settled();
  expect(calls).toHaveLength(1);
  for (let call = 0; call < calls.length; call++) {
    calls[call]?.answer();
    await settled();
  }
  expect(await Promise.all(answers)).toEqual(['answer 1', 'answer 2', 'answer 3', 'answer 4']);
  expect(calls.flatMap(({ items }) => items)).toEqual([1, 2, 3, 4]);
});

test('the next call is under way before the last one is answered', async () => {
  const { calls, batcher } = openSlowLedger();
  const callsWhenTold = batcher.ask(1).then(() => calls.length);
  await settled();
  const second = batcher.ask(2);
  calls[0]?.answer();
  expect(await callsWhenTold).toBe(2);
  calls[1]?.answer();
  expect(await second).toBe('answer 2');
});

test('64 callers who always ask again settle into halves', async () => {
  const { calls, batcher, sizes } = openSlowLedger();
  let answered = 0;
  const askAgain = async (caller: number): Promise<void> => {
    await batcher.ask(caller);
    answered += 1;
    if (answered < 2_000) return askAgain(caller);
  };
  const callers = Promise.all(Array.from({ length: 64 }, (_, caller) => askAgain(caller)));
  await settled();
  for (let call = 0; call < calls.length; call++) {
    calls[call]?.answer();
    await settled();
  }
  await callers;
  expect(new Set(sizes().slice(10, 40))).toEqual(new Set([32]));
});

test('no call carries more than the maximum', async () => {
  const { batcher, sizes, calls } = openSlowLedger({ batchMax: 3 });
  const answers = Array.from({ length: 20 }, (_, item) => batcher.ask(item));
  await settled();
  for (let call = 0; call < calls.length; call++) {
    calls[call]?.answer();
    await settled();
  }
  await Promise.all(answers);
  expect(Math.max(...sizes())).toBe(3);
});

test("an Error among the answers is its own item's; a failed call is everybody's, and the next call is tried", async () => {
  const { calls, batcher } = openSlowLedger();
  const first = batcher.ask(0);
  await settled();
  const [bad, good] = [batcher.ask(1), batcher.ask(2)];
  calls[0]?.answer();
  await first;
  calls[1]?.answer([new Error('only me'), 'fine']);
  await expect(bad).rejects.toThrow('only me');
  expect(await good).toBe('fine');

  const unlucky = batcher.ask(3);
  await settled();
  calls[2]?.fail(new Error('all of us'));
  await expect(unlucky).rejects.toThrow('all of us');
  const later = batcher.ask(4);
  await settled();
  calls[3]?.answer();
  expect(await later).toBe('answer 4');
});

test('when a call hangs, it and all behind it are told at the deadline, and the next to ask is sent anew', async () => {
  const { calls, batcher } = openSlowLedger({ deadlineMs: 1_000 });
  const hung = batcher.ask(1);
  const queued = batcher.ask(2);
  await expect(Promise.allSettled([hung, queued])).resolves.toMatchObject([
    { status: 'rejected', reason: { message: 'late' } },
    { status: 'rejected', reason: { message: 'late' } },
  ]);
  expect(calls.at(0)?.abandoned).toBe(true);
  const next = batcher.ask(3);
  await settled();
  calls.at(-1)?.answer();
  expect(await next).toBe('answer 3');
  calls[0]?.answer(); // Too late: nobody listens, and nothing breaks.
});
