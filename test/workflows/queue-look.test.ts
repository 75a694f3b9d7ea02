/** The looks at a scheduler's queue: started by a schedule of their own for each cluster, told by a workflow, done by the ledger. */
import type { Scheduler } from '../../activities';
import { openLedger } from '../../ledger';
import type { Ledger } from '../../ledger/contract';
import {
  askedLook,
  lookSchedule,
  nightlySchedule,
  type LookReport,
  type QueueLook,
} from '../../workflows/contracts/queue-look';
import { LEDGER_QUEUE } from '../../workflows/contracts/job-lifecycle';
import { ensureLooks } from '../../worker/schedules';
import type { QueuedJob } from '../../domain/queue';
import { job, openJobsHouse, type JobsHouse } from '../ledger/jobs-house';
import { freshNamespace, quietRuntime, startCrew, until, type Crew, type Namespace } from './house';

const NOW = new Date(Math.floor(Date.now() / 1000) * 1000);
const ago = (seconds: number) => new Date(NOW.getTime() - seconds * 1000).toISOString();

let house: JobsHouse;
let ledger: Ledger;
let namespace: Namespace;
let crew: Crew;
let queued: QueuedJob[] = [];
let isAway = false;
const asked: number[] = [];

const scheduler: Scheduler = {
  name: 'a test',
  queue: () =>
    isAway
      ? Promise.reject(new Error('Unable to contact slurm controller'))
      : Promise.resolve({ jobs: queued, faults: [], takenAt: new Date().toISOString() }),
  history: (seconds) => {
    asked.push(seconds);
    return Promise.resolve({ jobs: [], faults: [] });
  },
  find: () => Promise.resolve([]),
};

beforeAll(async () => {
  quietRuntime();
  [house, namespace] = await Promise.all([openJobsHouse(), freshNamespace()]);
  ledger = openLedger(house.sql, { defaultCluster: 'hpc', holdGraceSeconds: 0 });
  const schedulerOf = (cluster: string) => (cluster === 'hpc' ? scheduler : undefined);
  crew = await startCrew({ namespace, ledger, schedulerOf });
});
afterAll(async () => {
  await crew.stop();
  await namespace[Symbol.asyncDispose]();
  await house[Symbol.asyncDispose]();
});

const client = () => namespace.temporal.client;
let looks = 0;
const look = (what: QueueLook): Promise<LookReport> =>
  client().workflow.execute('queueLook', {
    workflowId: `${askedLook(what.cluster)}/${(looks += 1)}`,
    taskQueue: LEDGER_QUEUE,
    args: [what],
  });
const schedules = async () => {
  const ids: string[] = [];
  for await (const { scheduleId } of client().schedule.list()) ids.push(scheduleId);
  return ids.sort();
};

test('a look binds what the queue shows, and the next one gives back what neither showed', async () => {
  const place = async (key: string) => {
    const { holdId } = await ledger.admission.check(
      { account: 'physics', user: 'rkaur', components: [job()] },
      { principal: 'hook', key, bodyHash: Buffer.from('body') },
    );
    return holdId ?? '';
  };
  const [shown, missing] = [await place('stamp-shown'), await place('stamp-missing')];
  queued = [
    {
      ...{ jobId: '7', task: '', phase: 'running', account: 'physics', user: 'rkaur', partition: 'batch' },
      ...{ submittedAt: ago(60), startedAt: ago(50), activeSeconds: 50, stamp: 'stamp-shown' },
    },
  ];
  expect(await look({ cluster: 'hpc' })).toMatchObject({
    ...{ result: 'looked', failures: [], jobs: 1, bound: 1, givenBack: 0 },
    deeds: [{ did: 'bound', jobId: '7', holdId: shown }],
  });
  // The next look hears the accounting after it was missed.
  expect(await look({ cluster: 'hpc' })).toMatchObject({
    ...{ bound: 0, givenBack: 1 },
    deeds: [{ did: 'given_back', holdId: missing }],
  });
});

test('while the scheduler is away nothing is given back, and how it stands is known', async () => {
  isAway = true;
  expect(await look({ cluster: 'hpc' })).toMatchObject({
    result: 'unreachable',
    failures: ['Unable to contact slurm controller'],
    givenBack: 0,
  });
  expect(await ledger.queue.looks()).toMatchObject([{ cluster: 'hpc', failure: 'Unable to contact slurm controller' }]);
  isAway = false;
  expect(await look({ cluster: 'hpc' })).toMatchObject({ result: 'looked' });
  expect((await ledger.queue.looks())[0]).not.toHaveProperty('failure');
});

test('a cluster that nobody can look at is said to be so, and no failure', async () => {
  expect(await look({ cluster: 'elsewhere' })).toMatchObject({ result: 'absent', failures: [] });
});

test('the accounting is asked from where it was last heard, with an overlap; at night, of days', async () => {
  asked.length = 0;
  await house.sql`update ledger.scheduler_looks set accounted_at = now() - interval '5 min'`;
  await look({ cluster: 'hpc' });
  await look({ cluster: 'hpc', wide: true });
  expect(asked[0]).toBeGreaterThanOrEqual(900);
  expect(asked[0]).toBeLessThan(930);
  expect(asked[1]).toBe(3 * 86_400);
});

test('each cluster has a schedule and a nightly one; who is not looked at any more loses his', async () => {
  const options = { everyMs: 3_600_000, timeZone: 'Europe/Berlin' };
  await Promise.all([1, 2].map(() => ensureLooks(client(), { ...options, clusters: ['eagle', 'hpc'] })));
  const all = ['eagle', 'hpc'].flatMap((cluster) => [lookSchedule(cluster), nightlySchedule(cluster)]);
  await until('they are listed', async () => (await schedules()).join() === all.sort().join());
  const { spec } = await client().schedule.getHandle(nightlySchedule('hpc')).describe();
  expect(spec).toMatchObject({ timezone: 'Europe/Berlin' });

  asked.length = 0;
  await ensureLooks(client(), { ...options, everyMs: 1_000, clusters: ['hpc'] });
  await until('it looks by itself', () => Promise.resolve(asked.length > 0));
  await ensureLooks(client(), { ...options, clusters: [] });
  await until('none is left', async () => (await schedules()).length === 0);
});
