/** Jobs of every kind, from sbatch to the settled hold. Each test has an account of its own, and its books are compared with sacct's. */
import { eventually } from '../helpers/eventually';
import { expectTrueBooks, openHolds, runsCharged, runsInSacct } from './books';
import { bePatient, CPU_SECOND } from './hooks';
import { openHouse, UNSEEN_WITHIN_MS, type House } from './house';

jest.setTimeout(600_000);

let house: House;
/** What takes minutes begins before the other tests and is looked at after them. */
let longRunner: { account: string; job: number };
let refusedBySlurm: { account: string; code: number };
beforeAll(async () => {
  // What is asked here is not how fast the answer comes: that is in failures.test.ts.
  house = await openHouse({ name: 'life' });
  bePatient(house.cluster.folder);
  const account = await house.account();
  longRunner = { account, job: await house.cluster.sbatch(['-A', account, '-t', '1', '--wrap=sleep 600']) };
  const other = await house.account();
  const { code } = await house.cluster.run('sbatch', ['-A', other, '--reservation=nowhere', '--wrap=true']);
  refusedBySlurm = { account: other, code };
}, 300_000);
afterAll(() => house?.[Symbol.asyncDispose](), 180_000);

const stamp = /\bbursar:[0-9a-f]{32}\b/;

/** A job that was submitted with --hold, so that it does not end while it is looked at. */
const release = (job: number) => house.cluster.ask('scontrol', ['release', String(job)], { user: 'root' });

test('a job that the account can pay for is held, runs, and is charged what it used; the rest goes back', async () => {
  const account = await house.account(1);
  const job = await house.cluster.sbatch(['-A', account, '--hold', '-n', '2', '-t', '10', '--wrap=sleep 4']);
  const facts = await house.cluster.jobIs(job, 'PENDING');
  expect(facts.AdminComment).toMatch(stamp);
  // 120 % of ten minutes of two CPUs.
  expect(await openHolds(house, account)).toMatchObject([{ held: 144_000n }]);
  await release(job);
  await house.cluster.jobIs(job, 'COMPLETED');
  await expectTrueBooks(house, account);
  expect(await runsCharged(house, account)).toHaveLength(1);
});

test.each([
  ['sbatch', ['--wrap=sleep 1']],
  ['salloc', ['true']],
  ['srun', ['true']],
])('%s of a job that is too dear shows the reason, and leaves neither job nor hold', async (command, rest) => {
  const account = await house.account(0.01);
  const { code, stderr } = await house.cluster.run(command, ['-A', account, '-n', '8', '-t', '60', ...rest]);
  expect(code).not.toBe(0);
  expect(stderr).toMatch(/Insufficient budget: .*0\.01/);
  expect(await house.cluster.ask('squeue', ['-h', '-A', account])).toBe('');
  await expectTrueBooks(house, account);
});

test.each([
  ['sbatch', ['--wrap=true']],
  ['salloc', ['true']],
  ['srun', ['true']],
])('%s says what the job costs at most', async (command, rest) => {
  const account = await house.account();
  const said = await house.cluster.run(command, ['-A', account, '-t', '10', ...rest]);
  expect(said).toMatchObject({
    code: 0,
    stderr: expect.stringContaining('Up to 0.06 USD for 00:10:00 on life; the budget covers it.'),
  });
  await expectTrueBooks(house, account);
});

test('an array has one hold, and each of its tasks is charged', async () => {
  const account = await house.account();
  const job = await house.cluster.sbatch(['-A', account, '--hold', '--array=1-4', '-t', '5', '--wrap=sleep 2']);
  // 120 % of five minutes, four times.
  expect(await openHolds(house, account)).toMatchObject([{ held: 144_000n }]);
  await release(job);
  await eventually(
    'the array is over',
    async () => (await house.cluster.ask('squeue', ['-h', '-j', String(job)]).catch(() => '')) === '',
    60_000,
  );
  await expectTrueBooks(house, account);
  expect(await runsCharged(house, account)).toHaveLength(4);
});

test('a task of an array that is cancelled while it waits, of which Slurm tells nobody, leaves no hold', async () => {
  const account = await house.account();
  const job = await house.cluster.sbatch(['-A', account, '--array=1-2%1', '-t', '5']);
  await house.cluster.jobIs(`${job}_1`, 'RUNNING');
  await house.cluster.ask('scancel', [`${job}_2`]);
  await house.cluster.ask('scancel', [`${job}_1`]);
  await house.cluster.jobIs(`${job}_1`, 'CANCELLED');
  await expectTrueBooks(house, account, { withinMs: UNSEEN_WITHIN_MS });
  expect(await runsCharged(house, account)).toHaveLength(1);
});

test('in a burst of equal jobs each has a hold of its own; what was held beforehand and no job took goes back', async () => {
  const account = await house.account();
  const stamps = new Set<string>();
  const jobs: number[] = [];
  for (let n = 0; n < 12; n++) jobs.push(await house.cluster.sbatch(['-A', account, '-t', '5', '--wrap=true']));
  for (const job of jobs) stamps.add(stamp.exec((await house.cluster.job(job))?.AdminComment ?? '')?.[0] ?? '');
  expect(stamps.size).toBe(12);
  await expectTrueBooks(house, account, { withinMs: 60_000 });
  expect(await runsCharged(house, account)).toHaveLength(12);
  const given = await house.ask<{ description: string }[]>(
    'GET',
    `/api/v1/transactions?account=${account}&kind=release`,
  );
  expect(given.filter(({ description }) => description.startsWith('Held beforehand'))).not.toHaveLength(0);
});

const HET = `#!/bin/sh
#SBATCH -n 1 -t 5
#SBATCH hetjob
#SBATCH -n 2 -t 5 -p gpu --gres=gpu:a100:1
sleep 3
`;

test('each component of a heterogeneous job has a hold, and is charged', async () => {
  const account = await house.account();
  const job = await house.cluster.sbatch(['-A', account], { input: HET });
  expect(await openHolds(house, account)).toHaveLength(2);
  await house.cluster.jobIs(job, 'COMPLETED', 90_000);
  await expectTrueBooks(house, account);
  expect(await runsCharged(house, account)).toHaveLength(2);
});

test('the first component of a heterogeneous job gets its hold back at once when the second is refused', async () => {
  const account = await house.account(0.1);
  const { code, stderr } = await house.cluster.run('sbatch', ['-A', account], { input: HET });
  expect(code).not.toBe(0);
  expect(stderr).toContain('Insufficient budget');
  // The looks at the queue would need two minutes.
  await expectTrueBooks(house, account, { withinMs: 30_000 });
});

test('a requeued job keeps its hold, and each of its runs is charged', async () => {
  const account = await house.account();
  const once = '--wrap=[ -n "$SLURM_RESTART_COUNT" ] || sleep 600; sleep 2';
  const job = await house.cluster.sbatch(['-A', account, '-t', '5', once]);
  await house.cluster.hasRun(job, 2);
  await house.cluster.ask('scontrol', ['requeue', String(job)], { user: 'root' });
  // It waits for ten seconds; its second run, too, has the hold.
  await house.cluster.jobIs(job, ['PENDING', 'RUNNING']);
  expect(await openHolds(house, account)).toHaveLength(1);
  await house.cluster.jobIs(job, 'COMPLETED', 120_000);
  await expectTrueBooks(house, account);
  expect(await runsCharged(house, account)).toHaveLength(2);
});

test('a job that is cancelled while it waits costs nothing', async () => {
  const account = await house.account();
  const job = await house.cluster.sbatch(['-A', account, '--hold']);
  expect(await openHolds(house, account)).toHaveLength(1);
  await house.cluster.ask('scancel', [String(job)]);
  await expectTrueBooks(house, account);
  expect(await runsCharged(house, account)).toEqual([]);
});

test('while a job is suspended its GPU costs and its CPUs do not', async () => {
  const account = await house.account();
  const { cluster } = house;
  const size = ['-n', '4', '-t', '5', '-p', 'gpu', '--gres=gpu:a100:1'];
  const job = await cluster.sbatch(['-A', account, ...size]);
  // Only a look at the queue tells; accounting has no more than a sum, and only in the end.
  const seen = (state: string) =>
    eventually(
      `Bursar has seen that it is ${state}`,
      async () => (await house.ask<{ state: string }>('GET', `/api/v1/jobs/life/${job}`)).state === state,
      60_000,
    );
  await cluster.jobIs(job, 'RUNNING');
  await seen('running');
  await cluster.ask('scontrol', ['suspend', String(job)], { user: 'root' });
  await seen('suspended');
  // For longer than all that is inexact about it.
  const suspendedSeconds = async () => (Date.now() - Date.parse(`${(await cluster.job(job))?.SuspendTime}Z`)) / 1_000;
  await eventually('it has been suspended for a while', async () => (await suspendedSeconds()) >= 8);
  await cluster.ask('scontrol', ['resume', String(job)], { user: 'root' });
  await seen('running');
  await cluster.ask('scancel', [String(job)]);
  await expectTrueBooks(house, account, { asSacctSays: false });
  const [run] = await runsInSacct(house, account);
  const [paid] = await runsCharged(house, account);
  // The queue counts whole seconds: a suspension may seem a second longer or shorter at each of its ends; and on a busy machine
  // squeue itself takes a while between the moment that its answer is taken for and the one at which it counts.
  const off = Number((paid?.micro ?? 0n) - (run?.micro ?? 0n)) / Number(4n * CPU_SECOND);
  expect(Math.abs(off)).toBeLessThanOrEqual(4);
  expect(paid?.micro).toBeLessThan(run?.unsuspendedMicro ?? 0n);
  const [{ ElapsedRaw = '' } = {}] = await cluster.sacct(['ElapsedRaw'], ['-X', '-j', String(job)]);
  expect((run?.end ?? 0) - (run?.start ?? 0)).toBeGreaterThan(Number(ElapsedRaw));
});

test('more time for a job that waits is held too, and refused where the account has no more', async () => {
  const account = await house.account(0.1);
  const job = await house.cluster.sbatch(['-A', account, '--hold', '-t', '5']);
  const update = (minutes: number) => house.cluster.run('scontrol', ['update', `jobid=${job}`, `timelimit=${minutes}`]);
  expect((await update(10)).code).toBe(0);
  expect(await openHolds(house, account)).toMatchObject([{ held: 72_000n }]);
  expect((await update(60)).code).not.toBe(0);
  expect(await house.cluster.job(job)).toMatchObject({ TimeLimit: '00:10:00' });
  await house.cluster.ask('scancel', [String(job)]);
  await expectTrueBooks(house, account);
});

test('a job that runs into its limit is charged for all the time it had', async () => {
  await house.cluster.jobEndedAs(longRunner.job, 'TIMEOUT', 180_000);
  await expectTrueBooks(house, longRunner.account);
  const [run] = await runsCharged(house, longRunner.account);
  expect(run?.micro).toBeGreaterThanOrEqual(6_000n);
});

test('a job that Slurm itself refuses after Bursar was asked leaves no hold', async () => {
  expect(refusedBySlurm.code).not.toBe(0);
  await expectTrueBooks(house, refusedBySlurm.account, { withinMs: UNSEEN_WITHIN_MS });
});
