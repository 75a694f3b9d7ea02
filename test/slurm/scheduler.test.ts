/**
 * The two ways of asking Slurm, against a real one: both show the same, and what they show is what is so. With
 * BURSAR_WRITE_RECORDINGS=1 the answers are kept for test/activities, where no Slurm is.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { schedulerActivities, slurmCommands, slurmRest, type Scheduler } from '../../activities';
import { SACCT } from '../../domain/sacct-look';
import { SQUEUE } from '../../domain/squeue';
import type { QueuedJob } from '../../domain/queue';
import { openLedger } from '../../ledger';
import type { Ledger } from '../../ledger/contract';
import { eventually } from '../helpers/eventually';
import { job, openJobsHouse, usd, type JobsHouse } from '../ledger/jobs-house';
import { startCluster, type SlurmCluster } from './cluster';

const NAME = 'hpc';

/** Stamps every job with a key made of its name, but for one that the script forgets. */
const STAMP = `function slurm_job_submit(job, part, uid)
  if job.name ~= "forgotten" then job.admin_comment = "of the site a|b bursar:stamp-" .. (job.name or "x") end
  return slurm.SUCCESS
end
function slurm_job_modify(job, rec, part, uid) return slurm.SUCCESS end
return slurm.SUCCESS
`;

let cluster: SlurmCluster;
let commands: Scheduler;
let rest: Scheduler;
let house: JobsHouse;
let ledger: Ledger;
beforeAll(async () => {
  cluster = await startCluster({
    name: NAME,
    nodes: ['c1', 'g1'],
    hooks: ({ conf }) => {
      writeFileSync(join(conf, 'job_submit.lua'), STAMP);
      return 'JobSubmitPlugins=lua';
    },
  });
  commands = slurmCommands({
    binPath: '/usr/bin',
    configFile: cluster.env.SLURM_CONF ?? '',
    timeoutMs: 20_000,
    timeZone: 'UTC',
  });
  const { url, token } = await cluster.rest('root');
  const tokenFile = join(cluster.folder, 'token');
  writeFileSync(tokenFile, `${token}\n`);
  rest = slurmRest({ url, user: 'root', tokenFile, timeoutMs: 20_000 });
  house = await openJobsHouse();
  ledger = openLedger(house.sql, { defaultCluster: NAME, holdGraceSeconds: 0 });
  await ledger.accounts.create(
    {
      name: 'proj-a',
      unit: 'USD',
      title: 'Project A',
      startsAt: '2020-01-01T00:00:00Z',
      endsAt: '2099-01-01T00:00:00Z',
      budgetLimit: usd('1000'),
    },
    { principal: 'local' },
  );
  await look(commands);
});
afterEach(() => cluster.drain());
afterAll(async () => {
  await house?.[Symbol.asyncDispose]();
  await cluster?.stop();
});

const look = (scheduler: Scheduler) =>
  new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') }).run(
    schedulerActivities({
      jobs: ledger.jobs,
      adapterOf: () => undefined,
      looks: { queue: ledger.queue, schedulerOf: () => scheduler },
    }).look,
    { cluster: NAME },
  );

/** A hold under the key that the script will stamp. */
async function hold(name: string, changes: Parameters<typeof job>[0] = {}): Promise<string> {
  const decision = await ledger.admission.check(
    { account: 'proj-a', user: 'alice', components: [job({ partition: 'cpu', ...changes })] },
    { principal: 'hook', key: `stamp-${name}`, bodyHash: Buffer.from('body') },
  );
  if (!decision.holdId) throw new Error(decision.message);
  return decision.holdId;
}

const sbatch = (name: string, ...args: string[]) => cluster.sbatch([`--job-name=${name}`, '--time=5', ...args]);
const root = (command: string, ...args: string[]) => cluster.ask(command, args, { user: 'root' });
const byId = (jobs: QueuedJob[]) =>
  [...jobs].sort((a, b) => (`${a.jobId}_${a.task}` < `${b.jobId}_${b.task}` ? -1 : 1));
const statusOf = async (holdId: string) => (await ledger.holds.read(holdId)).status;

test('the queue and the accounting are the same by the commands and by slurmrestd', async () => {
  const ran = await sbatch('ran', '--wrap=sleep 1');
  const cancelled = await sbatch('cancelled', '--hold');
  const held = await sbatch('held', '--hold', '--ntasks=4');
  const array = await sbatch('array', '--array=1-6%2', '--account=proj-b');
  const gpu = await sbatch('gpu', '--partition=gpu', '--gres=gpu:a100:2');
  const suspended = await sbatch('suspended');
  const repeated = await sbatch('repeated', '--requeue');
  const forgotten = await sbatch('forgotten');
  // It would begin when there is room for all of it, maybe between the looks.
  await sbatch('het', '--hold', '--ntasks=1', '--wrap=sleep 600', ':', '--hold', '--ntasks=2');
  await cluster.jobIs(ran, 'COMPLETED');
  for (const id of [`${array}_1`, `${array}_2`, suspended, repeated, forgotten, gpu])
    await cluster.jobIs(id, 'RUNNING');
  await root('scancel', String(cancelled));
  await root('scontrol', 'suspend', String(suspended));
  // Held, for the same reason.
  await root('scontrol', 'requeuehold', String(repeated));
  await cluster.jobIs(cancelled, 'CANCELLED');
  await cluster.jobIs(suspended, 'SUSPENDED');
  await cluster.jobIs(repeated, 'PENDING');

  const [listed, rested] = [await commands.queue(), await rest.queue()];
  expect([listed.faults, rested.faults]).toEqual([[], []]);
  // How long a job has run moves on between the two.
  const still = (jobs: QueuedJob[]) => byId(jobs).map(({ activeSeconds: _, ...row }) => row);
  expect(still(listed.jobs)).toEqual(still(rested.jobs));
  const rowOf = (id: number, task = '') => listed.jobs.find((row) => row.jobId === String(id) && row.task === task);
  expect(rowOf(ran)).toMatchObject({ phase: 'ended', endState: 'COMPLETED', stamp: 'stamp-ran', user: 'alice' });
  expect(rowOf(cancelled)).toMatchObject({ phase: 'ended', endState: 'CANCELLED' });
  expect(rowOf(cancelled)).not.toHaveProperty('startedAt');
  expect(rowOf(held)).toMatchObject({ phase: 'pending', timeLimitSeconds: 300 });
  expect(rowOf(held)).not.toHaveProperty('startedAt');
  expect(rowOf(array)).toMatchObject({ phase: 'pending', arrayTasks: 4, account: 'proj-b', stamp: 'stamp-array' });
  expect(rowOf(array, '1')).toMatchObject({ phase: 'running', stamp: 'stamp-array' });
  expect(rowOf(gpu)).toMatchObject({ partition: 'gpu', resources: { gpus: 2, cpus: 1, memoryMib: 500 } });
  expect(rowOf(suspended)).toMatchObject({ phase: 'suspended' });
  expect(rowOf(forgotten)).not.toHaveProperty('stamp');

  const both = async () => {
    const [heard, restHeard] = [await commands.history(900), await rest.history(900)];
    expect([heard.faults, restHeard.faults]).toEqual([[], []]);
    expect(byId(restHeard.jobs)).toEqual(byId(heard.jobs));
    const states = heard.jobs.map(({ jobId, endState, closing }) => [jobId, endState ?? closing]);
    return states.length >= 3 && { states, heard };
  };
  const { states, heard } = await eventually('slurmdbd has them', both, 60_000);
  expect(states.sort()).toEqual([
    [String(ran), 'COMPLETED'],
    [String(cancelled), 'CANCELLED'],
    [String(repeated), 'requeued'],
  ]);
  expect(heard.jobs.find(({ jobId }) => jobId === String(ran))).toMatchObject({ stamp: 'stamp-ran' });
  expect(byId(await rest.find([String(ran), '999999']))).toEqual(byId(await commands.find([String(ran), '999999'])));
  if (process.env.BURSAR_WRITE_RECORDINGS) await writeRecordings();
});

test('a job that was suspended and resumed is seen so in the queue, to the second', async () => {
  const holdId = await hold('pause');
  const id = await sbatch('pause');
  await cluster.jobIs(id, 'RUNNING');
  await look(commands);
  await root('scontrol', 'suspend', String(id));
  const suspendedAt = Date.parse(`${(await cluster.job(id))?.SuspendTime}Z`);
  await look(commands);
  const resumed = { after: Date.now(), before: 0 };
  await root('scontrol', 'resume', String(id));
  resumed.before = Date.now();
  await look(commands);
  const lookedMs = Date.now() - resumed.before;
  const events = (await ledger.jobs.read(NAME, String(id))).events;
  expect(events.map(({ type }) => type)).toEqual(['submitted', 'started', 'suspended', 'resumed']);
  const [since, until] = [Date.parse(events[2]?.at ?? ''), Date.parse(events[3]?.at ?? '')];
  expect(Math.abs(since - suspendedAt)).toBeLessThanOrEqual(1_000);
  // It is reckoned back from the moment that squeue was asked, which counts whole seconds and takes its time.
  expect(until).toBeGreaterThanOrEqual(Math.max(since, resumed.after - lookedMs - 2_000));
  expect(until).toBeLessThanOrEqual(resumed.before + 1_000);
  expect((await ledger.holds.read(holdId)).jobId).toBe(String(id));
});

test('a submission that was only tested gives its hold back, a task cancelled while it waited its share', async () => {
  const tested = await hold('tested');
  await cluster.run('sbatch', ['--test-only', '--job-name=tested', '--time=5', '--wrap=sleep 1']);
  await look(commands);
  // The accounting must have been heard after a hold was missed.
  expect(await look(commands)).toMatchObject({ result: 'looked', failures: [] });
  expect(await statusOf(tested)).toBe('released');

  const array = await hold('tasks', { arrayTasks: 3 });
  const id = await sbatch('tasks', '--array=1-3', '--hold');
  await look(commands);
  const held = (await ledger.holds.read(array)).held;
  await root('scancel', `${id}_2`);
  await look(rest);
  expect(await look(rest)).toMatchObject({ result: 'looked', failures: [], reduced: 1 });
  await ledger.jobs.advance(array);
  expect(await ledger.holds.read(array)).toMatchObject({ status: 'open', held: (held * 2n) / 3n });
});

test('a job without a stamp is adopted, and one of whose end nobody told is settled from sacct', async () => {
  const settled = await hold('told-by-nobody');
  const id = await sbatch('told-by-nobody', '--wrap=sleep 1');
  const forgotten = await sbatch('forgotten');
  await cluster.jobIs(forgotten, 'RUNNING');
  await cluster.jobIs(id, 'COMPLETED');
  expect(await look(rest)).toMatchObject({
    failures: [],
    adopted: 1,
    deeds: expect.arrayContaining([
      expect.objectContaining({ did: 'ended', jobId: String(id) }),
      expect.objectContaining({ did: 'adopted', jobId: String(forgotten) }),
    ]),
  });
  const { rows } = await ledger.holds.list({ late: true }, { limit: 50 });
  expect(rows).toContainEqual(expect.objectContaining({ account: 'proj-a', jobId: String(forgotten) }));
  await ledger.jobs.advance(settled);
  expect(await statusOf(settled)).toBe('settled');
  await house.books();
});

test('while slurmctld or slurmdbd is away nothing is given back, and what became of a job cannot be said', async () => {
  const holdId = await hold('kept');
  await cluster.kill('slurmctld');
  expect(await look(commands)).toMatchObject({ result: 'unreachable', givenBack: 0 });
  expect(await look(rest)).toMatchObject({ result: 'unreachable', givenBack: 0 });
  await cluster.start('slurmctld');
  await cluster.kill('slurmdbd');
  expect(await look(commands)).toMatchObject({ result: 'unreachable', givenBack: 0 });
  await expect(commands.find(['1'])).rejects.toThrow(/sacct: /);
  await cluster.start('slurmdbd');
  expect(await statusOf(holdId)).toBe('open');
  const isGivenBack = async () => {
    await look(commands);
    return (await statusOf(holdId)) === 'released';
  };
  await eventually('it is given back once both answer', isGivenBack, 60_000);
});

/** The answers of this Slurm, word for word. */
async function writeRecordings(): Promise<void> {
  const folder = join(__dirname, '../activities/recordings');
  mkdirSync(folder, { recursive: true });
  const keep = (name: string, text: string) => writeFileSync(join(folder, name), text);
  const run = (program: string, args: readonly string[], env: Readonly<Record<string, string>>) =>
    cluster.ask(program, args, { user: 'root', env });
  const since = ['--starttime=now-900seconds', '--endtime=now'];
  keep('squeue.txt', await run('squeue', SQUEUE.arguments, SQUEUE.environment));
  keep('sacct.txt', await run('sacct', [...SACCT.arguments, ...since], SACCT.environment));
  const { url, headers } = await cluster.rest('root');
  const get = async (path: string) => (await fetch(`${url}${path}`, { headers })).text();
  keep('rest-jobs.json', await get('/slurm/v0.0.38/jobs'));
  const state = encodeURIComponent('CD,FAILED,CA,TO,NF,OOM,PR,BF,DL,RQ');
  keep('rest-history.json', await get(`/slurmdb/v0.0.38/jobs?start_time=now-900seconds&end_time=now&state=${state}`));
  keep('rest-nothing.json', await get('/slurmdb/v0.0.38/job/999999'));
  keep('taken-at.txt', `${Math.floor(Date.now() / 1000)}\n`);
}
