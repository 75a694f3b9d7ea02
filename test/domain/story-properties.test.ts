/** What no order, repetition or loss of events may change. */
import fc from 'fast-check';
import type { StoryFacts } from '../../domain/story';
import { carryOut, factsOf, holdOf, lineOf, linesOf, nodes, said, settle, tell, type Said } from './story-house';

const DAY = 24 * 60;
const FOR_EVER = 1_000 * DAY;

/** How a job really went: runs one after the other, each ended by a requeue but the last. */
interface History {
  events: Said[];
  /** Minutes charged, as `task: start..end`. */
  runs: string[];
}

const minutesUpTo = (max: number) => fc.integer({ min: 1, max });

const oneTask = (task: string): fc.Arbitrary<History> =>
  fc
    .record({
      waited: minutesUpTo(300),
      lengths: fc.array(fc.tuple(minutesUpTo(240), minutesUpTo(300)), { minLength: 0, maxLength: 3 }),
      tells: fc.record({ submitted: fc.boolean(), started: fc.boolean(), cancelledTwice: fc.boolean() }),
      end: fc.constantFrom('COMPLETED', 'FAILED', 'TIMEOUT', 'OUT_OF_MEMORY'),
      closing: fc.constantFrom('requeued', 'preempted', 'node_failed'),
    })
    .map(({ waited, lengths, tells, end, closing }) => {
      const events: Said[] = [];
      const runs: string[] = [];
      if (tells.submitted) events.push(said('submitted', 0, { task }));
      let at = waited;
      for (const [index, [length, pause]] of lengths.entries()) {
        const startedAt = at;
        const endedAt = at + length;
        if (tells.started) events.push(said('started', startedAt, { task }));
        runs.push(`${task === '' ? '' : `${task}: `}usage ${startedAt}..${endedAt}`);
        at = endedAt + 1 + pause;
        if (index < lengths.length - 1) events.push(said(closing, endedAt, { task, startedAt }));
        else events.push(said('ended', endedAt, { task, startedAt, endState: end }));
      }
      if (lengths.length === 0) events.push(said('cancelled', at, { task }));
      if (lengths.length === 0 && tells.cancelledTwice) events.push(said('ended', at, { task, endState: 'CANCELLED' }));
      return { events, runs };
    });

const anyJob = oneTask('');

const anyArray = fc.integer({ min: 2, max: 4 }).chain((size) =>
  fc.tuple(...Array.from({ length: size }, (_, index) => oneTask(String(index)))).map((tasks) => ({
    size,
    events: tasks.flatMap(({ events }) => events),
    runs: tasks.flatMap(({ runs }) => runs),
  })),
);

/** Another order of arrival. What arrives again is dropped on the doorstep (the ledger dedupes), so it is not here. */
const shuffled = (events: readonly Said[]) =>
  fc.shuffledSubarray([...events], { minLength: events.length, maxLength: events.length });

/** The events arrive one by one, and whatever is due is done after each: what was charged, in the words of lineOf. */
function live(events: readonly Said[], hold: Partial<ReturnType<typeof holdOf>> = {}) {
  const charged: string[] = [];
  let facts: StoryFacts = factsOf(0, [], { hold });
  const act = () => {
    for (let round = 0; round < 10; round += 1) {
      const story = tell(facts);
      if (story.due.length === 0) return story;
      charged.push(...story.due.filter(({ act: name }) => name === 'charge' || name === 'spread').map(lineOf));
      facts = carryOut(facts, story);
    }
    throw new Error(`never at rest: ${linesOf(tell(facts)).join(', ')}`);
  };
  // They arrive the next day, one a second.
  const arrived = events.map((event, index) => ({ ...event, recordedAt: DAY + index / 60 }));
  for (let count = 1; count <= arrived.length; count += 1) {
    facts = { ...facts, ...pick(factsOf(DAY + count / 60, arrived.slice(0, count))) };
    act();
  }
  const beforeTheEnd = facts;
  facts = { ...facts, now: factsOf(FOR_EVER, []).now };
  return { charged, story: act(), facts, beforeTheEnd };
}

const pick = ({ now, events }: StoryFacts) => ({ now, events });

const seed = Number(process.env.BURSAR_TEST_SEED ?? Date.now() % 2 ** 31);
const check = <T>(property: fc.IProperty<T>) => fc.assert(property, { seed, numRuns: 250 });

test('the order in which events arrive changes nothing of what is due', () =>
  check(
    fc.property(
      fc
        .oneof(anyJob, anyArray)
        .chain(({ events }) =>
          fc.record({
            events: fc.constant(
              [
                ...events,
                said('suspended', 40),
                said('resumed', 90),
                said('resized', 60, { resources: nodes(3), timeLimitSeconds: 7200 }),
              ].map((event) => ({ ...event, recordedAt: DAY })),
            ),
            arrayTasks: fc.integer({ min: 1, max: 4 }),
          }),
        )
        .chain(({ events, arrayTasks }) => fc.tuple(fc.constant(events), shuffled(events), fc.constant(arrayTasks))),
      ([events, others, arrayTasks]) => {
        const [one, other] = [events, others].map((list) => tell(factsOf(DAY, list, { hold: { arrayTasks } })));
        expect([...linesOf(other!)].sort()).toEqual([...linesOf(one!)].sort());
        expect([other!.state, other!.deadline]).toEqual([one!.state, one!.deadline]);
      },
    ),
  ));

test('every run is charged once, for exactly its time, in whatever order events arrive that arrive together', () =>
  check(
    fc.property(
      anyJob.chain((history) => fc.tuple(fc.constant(history), shuffled(history.events))),
      ([{ runs }, arrivals]) => {
        const { charged, facts } = live(arrivals);
        expect([...charged].sort()).toEqual([...runs].sort());
        expect(facts.holds[0]?.status).not.toBe('open');
      },
    ),
  ));

test('an end that nobody knew gives way to the one that is told, in whatever order they arrive', () =>
  check(
    fc.property(
      shuffled([
        said('started', 10),
        said('ended', 70, { endState: 'COMPLETED' }),
        said('ended', 95, { startedAt: 10, atArrival: true }),
        said('ended', 130, { atArrival: true }),
      ]),
      (arrivals) => {
        const { charged, story } = live(arrivals);
        expect(charged.at(-1)?.replace('corrected ', '')).toBe('usage 10..70');
        expect(charged.length).toBeLessThanOrEqual(2);
        expect(story).toMatchObject({ isOver: true, due: [] });
      },
    ),
  ));

test('the same holds for every task of an array, whose hold closes when all have ended and not before', () =>
  check(
    fc.property(
      anyArray.chain((history) => fc.tuple(fc.constant(history), shuffled(history.events))),
      ([{ runs, size }, arrivals]) => {
        const { charged, beforeTheEnd } = live(arrivals, { arrayTasks: size });
        expect([...charged].sort()).toEqual([...runs].sort());
        expect(beforeTheEnd.holds[0]?.status).not.toBe('open');
        const allButOne = live(arrivals.slice(0, -1), { arrayTasks: size });
        const said = new Set(arrivals.map(({ task }) => task));
        const isTold = [...said].every((task) =>
          arrivals.slice(0, -1).some((event) => event.task === task && ['ended', 'cancelled'].includes(event.type)),
        );
        if (!isTold) expect(allButOne.beforeTheEnd.holds[0]?.status).toBe('open');
      },
    ),
  ));

test('whatever was lost of the events, the hold ends settled or released when enough time has passed', () =>
  check(
    fc.property(
      fc.oneof(anyJob, anyArray).chain(({ events }) => fc.shuffledSubarray([...events])),
      fc.integer({ min: 1, max: 4 }),
      fc.constantFrom('usage' as const, 'reported' as const),
      (arrivals, arrayTasks, costSource) => {
        const { facts, story } = live(arrivals, { arrayTasks, costSource });
        expect(facts.holds[0]?.status).toMatch(/settled|released/);
        expect(story.isOver).toBe(true);
      },
    ),
  ));

test('a cost that is reported before, between or after the other events is charged in the end, and once', () =>
  check(
    fc.property(
      anyJob
        .filter(({ runs }) => runs.length === 1)
        .chain((history) =>
          fc.tuple(fc.constant(history), shuffled([...history.events, said('cost', 999, { cost: '12.5' })])),
        ),
      ([, arrivals]) => {
        const { charged, facts } = live(arrivals, { costSource: 'reported' });
        expect(charged).toEqual(['reported 12.5']);
        expect(facts.charges).toHaveLength(1);
        expect(facts.holds[0]?.status).toBe('settled');
      },
    ),
  ));

test('a deadline is never in the past while nothing is due', () =>
  check(
    fc.property(
      fc.oneof(anyJob, anyArray).chain(({ events }) => fc.shuffledSubarray([...events])),
      fc.integer({ min: 0, max: 10 * DAY }),
      fc.constantFrom('absent' as const, 'unreachable' as const, 'asked' as const),
      (arrivals, now, scheduler) => {
        const { facts, story } = settle(factsOf(now, arrivals), { scheduler });
        if (!story.isOver) expect(story.deadline).toBeGreaterThan(facts.now);
      },
    ),
  ));
