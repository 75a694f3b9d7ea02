/**
 * Many jobs at once, told by several senders who repeat themselves and keep no order, while stories are advanced at any
 * moment: afterwards every run has been paid for once, for its time, and the books balance. Real PostgreSQL.
 */
import fc from 'fast-check';
import type { JobEvent } from '../../ledger/contract';
import { clock, CALLER, openJobsHouse, usd, type JobsHouse } from './jobs-house';

let house: JobsHouse;
beforeAll(async () => void (house = await openJobsHouse({ poolSize: 10, limit: '1000000' })));
afterAll(() => house[Symbol.asyncDispose]());

const minutes = (max: number) => fc.integer({ min: 1, max });

/** What happened to one job: its runs in minutes after noon, and the tasks of an array. */
const life = fc.record({
  tasks: fc.integer({ min: 1, max: 3 }),
  runs: fc.array(fc.tuple(minutes(60), minutes(120)), { minLength: 0, maxLength: 3 }),
  saysStarted: fc.boolean(),
});
type Life = typeof life extends fc.Arbitrary<infer T> ? T : never;

function eventsOf({ tasks, runs, saysStarted }: Life, jobId: string, holdId: string): JobEvent[] {
  return Array.from({ length: tasks }, (_, index) => {
    const of = { cluster: 'hpc', jobId, holdId, task: tasks === 1 ? '' : String(index + 1) };
    const events: JobEvent[] = [{ ...of, type: 'submitted', at: clock(0) }];
    let at = 0;
    for (const [place, [wait, length]] of runs.entries()) {
      const startedAt = clock(at + wait);
      at += wait + length;
      if (saysStarted) events.push({ ...of, type: 'started', at: startedAt });
      const isLast = place === runs.length - 1;
      events.push({ ...of, type: isLast ? 'ended' : 'requeued', at: clock(at), startedAt });
      at += 2; // A requeued job waits before it runs again.
    }
    if (runs.length === 0) events.push({ ...of, type: 'cancelled', at: clock(1) });
    return events;
  }).flat();
}

const costOf = ({ tasks, runs }: Life): bigint =>
  runs.reduce((sum, [, length]) => sum + roundHalfEven(length), 0n) * BigInt(tasks);

/** One node for so many minutes at 1 USD an hour. */
function roundHalfEven(length: number): bigint {
  const [whole, rest] = [(BigInt(length) * usd('1')) / 60n, (BigInt(length) * usd('1')) % 60n];
  return rest > 30n || (rest === 30n && whole % 2n === 1n) ? whole + 1n : whole;
}

const seed = Number(process.env.BURSAR_TEST_SEED ?? Date.now() % 2 ** 31);

test('every run is paid for once, whoever tells of it, how often, in what order, and whoever looks meanwhile', async () => {
  let round = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(life, { minLength: 1, maxLength: 6 }),
      fc.infiniteStream(fc.nat()),
      async (lives, dice) => {
        round += 1;
        const draw = (below: number) => (dice.next().value ?? 0) % below;
        const jobs = await Promise.all(
          lives.map(async (each, index) => ({
            each,
            jobId: `${round}-${index}`,
            holdId: await house.hold({ arrayTasks: each.tasks }),
          })),
        );
        const events = jobs.flatMap(({ each, jobId, holdId }) => eventsOf(each, jobId, holdId));
        const said = [...events, ...events.filter(() => draw(3) === 0)]
          .map((event) => ({ event, place: draw(1_000_000) }))
          .sort((a, b) => a.place - b.place)
          .map(({ event }) => event);

        const senders = Array.from({ length: 3 }, async (_, sender) => {
          const own = said.filter((_event, index) => index % 3 === sender);
          while (own.length > 0) {
            await house.ledger.jobs.recordEvents(own.splice(0, 1 + draw(4)), CALLER);
            const job = jobs[draw(jobs.length)];
            if (job) await house.advance(job.holdId);
          }
        });
        await Promise.all(senders);
        await Promise.all(jobs.flatMap(({ holdId }) => [house.advance(holdId), house.advance(holdId)]));

        for (const { each, holdId } of jobs) {
          const hold = await house.ledger.holds.read(holdId);
          expect([hold.charged, hold.held]).toEqual([costOf(each), 0n]);
          expect(hold.status).toBe(each.runs.length === 0 ? 'released' : 'settled');
        }
      },
    ),
    { seed, numRuns: 30, endOnFailure: true },
  );
  await house.books();
});
