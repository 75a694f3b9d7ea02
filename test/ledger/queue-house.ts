/** A house for the tests of the scheduler's queue: whoever imports it has one for each test, and its books are proved at the end. */
import { openLedger } from '../../ledger';
import type { AskAccounting, Ledger, QueueListing } from '../../ledger/contract';
import type { QueuedJob } from '../../domain/queue';
import { clock, job, openJobsHouse, type JobsHouse } from './jobs-house';

export const SWEEP = { principal: 'scheduler' };
const KEY = 'b7e23ec29af22b0b4e41da31e868d572';

export let house: JobsHouse;
export let ledger: Ledger;
let keyNo = 0;
beforeEach(async () => {
  house = await openJobsHouse();
  setGrace(0);
  await house.sql`insert into ledger.scheduler_looks (cluster_no, begun_at) select cluster_no, ${clock(-60)} from ledger.clusters`;
});
/** So long a hold that no job carries is kept. */
export function setGrace(holdGraceSeconds: number): void {
  ledger = openLedger(house.sql, { defaultCluster: 'hpc', holdGraceSeconds });
}

afterEach(async () => {
  await house.books();
  await house[Symbol.asyncDispose]();
});

/** A hold as a hook places it, under a key of its own that it stamps on the job. */
export async function submit(changes: Parameters<typeof job>[0] = {}) {
  const key = `${KEY}${(keyNo += 1)}`;
  const holdId = await house.hold(changes, {}, { principal: 'pinewood-hook', key, bodyHash: Buffer.from('body') });
  return { key, holdId };
}

export const row = (changes: Partial<QueuedJob> = {}): QueuedJob => ({
  jobId: '4711',
  task: '',
  phase: 'pending',
  submittedAt: clock(0),
  account: 'physics',
  user: 'rkaur',
  partition: 'batch',
  ...changes,
});
export const running = (changes: Partial<QueuedJob> = {}): QueuedJob =>
  row({ phase: 'running', startedAt: clock(1), activeSeconds: 60, ...changes });

export const list = (jobs: QueuedJob[], changes: Partial<QueueListing> = {}, askAccounting?: AskAccounting) =>
  ledger.queue.listed(
    { cluster: 'hpc', jobs, takenAt: clock(30), ageSeconds: 0, isWhole: true, ...changes },
    SWEEP,
    askAccounting,
  );
/** The accounting was heard, and has nothing to say. */
export const silence = () => ledger.queue.heard('hpc');
/** So much time passes. */
export const pass = (seconds: number) => house.sql`
  with looks as (
    update ledger.scheduler_looks
    set accounted_at = accounted_at - ${seconds} * interval '1 s', listed_at = listed_at - ${seconds} * interval '1 s')
  update ledger.unseen_holds set since = since - ${seconds} * interval '1 s'`;
/** No job of it is listed, the accounting says nothing either, and it is not in the next listing. */
export const listAgain = async (...[jobs, changes, askAccounting]: Parameters<typeof list>) => {
  await list(jobs, changes);
  await silence();
  return list(jobs, changes, askAccounting);
};
export const eventsOf = async (jobId = '4711') =>
  (await ledger.jobs.read('hpc', jobId)).events.map(({ type, at, task }) => [type, at, ...(task ? [task] : [])]);
