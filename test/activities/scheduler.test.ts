/**
 * The two ways of asking Slurm, against its recorded answers: programs that print them, a daemon that serves them. The
 * recordings are a real cluster's (test/slurm/scheduler.test.ts writes them); a job of every kind is in them.
 */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { adapterTo, slurmCommands, slurmRest, type Scheduler } from '../../activities';
import { runCommand } from '../../platform/run-command';
import type { QueuedJob } from '../../domain/queue';
import type { Queue } from '../../ledger/contract';
import { scratchFolder } from '../helpers/scratch';

const recording = (name: string) => join(__dirname, 'recordings', name);
const recorded = (name: string) => readFileSync(recording(name), 'utf8');

/** A folder of programs that are shell scripts. */
function programs(scripts: Record<string, string>): string {
  const folder = scratchFolder();
  for (const [name, script] of Object.entries(scripts)) {
    writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(folder, name), 0o755);
  }
  return folder;
}
const commands = (scripts: Record<string, string>, timeoutMs = 60_000): Scheduler =>
  slurmCommands({ binPath: programs(scripts), timeoutMs, timeZone: 'UTC', configFile: '/etc/slurm/slurm.conf' });
const plays = { squeue: `cat ${recording('squeue.txt')}`, sacct: `cat ${recording('sacct.txt')}` };

const rowOf = (jobs: QueuedJob[], jobId: string, task = '') =>
  jobs.find((row) => row.jobId === jobId && row.task === task);
const byId = (jobs: QueuedJob[]) =>
  [...jobs].sort((a, b) => (`${a.jobId}_${a.task}` < `${b.jobId}_${b.task}` ? -1 : 1));

let served: Server | undefined;
afterEach(() => new Promise((resolve) => (served ? served.close(resolve) : resolve(undefined))));

/** A daemon that answers by path, and notes what it was asked. */
async function rest(answers: (path: string) => string | undefined, timeoutMs = 60_000) {
  const asked: { path: string; token: unknown }[] = [];
  served = createServer((request, response) => {
    const path = request.url ?? '';
    asked.push({ path, token: request.headers['x-slurm-user-token'] });
    const answer = answers(path);
    if (answer !== undefined) response.end(answer);
  });
  await new Promise<void>((resolve) => served?.listen(0, '127.0.0.1', resolve));
  const { port } = served.address() as AddressInfo;
  const tokenFile = join(scratchFolder(), 'token');
  writeFileSync(tokenFile, 'first\n');
  const scheduler = slurmRest({ url: `http://127.0.0.1:${port}/`, user: 'bursar', tokenFile, timeoutMs });
  return { scheduler, asked, tokenFile };
}

const paths = (...versions: number[]) =>
  JSON.stringify({
    paths: Object.fromEntries(
      versions.flatMap((n) => [
        [`/slurm/v0.0.${n}/jobs/`, {}],
        [`/slurmdb/v0.0.${n}/jobs/`, {}],
      ]),
    ),
  });
const daemon = (path: string): string | undefined => {
  if (path === '/openapi/v3') return paths(37, 38);
  if (path.startsWith('/slurm/v0.0.38/jobs')) return recorded('rest-jobs.json');
  if (path.startsWith('/slurmdb/v0.0.38/jobs?')) return recorded('rest-history.json');
  if (path.startsWith('/slurmdb/v0.0.38/job/')) return recorded('rest-nothing.json');
  return '{"errors":[{"error":"no such path"}]}';
};

test('a listing shows what waits, runs, is suspended and has just ended, each with its stamp', async () => {
  const { jobs, faults } = await commands(plays).queue();
  expect(faults).toEqual([]);
  expect(rowOf(jobs, '1')).toMatchObject({
    phase: 'ended',
    endState: 'COMPLETED',
    activeSeconds: 1,
    user: 'alice',
    account: 'proj-a',
    partition: 'cpu',
    stamp: 'stamp-ran',
    timeLimitSeconds: 300,
    resources: { nodes: 1, cpus: 1, memoryMib: 500, gpus: 0 },
  });
  // It never got a node, whatever start it is listed with.
  expect(rowOf(jobs, '2')).toMatchObject({ phase: 'ended', endState: 'CANCELLED' });
  expect(rowOf(jobs, '2')).not.toHaveProperty('startedAt');
  expect(rowOf(jobs, '3')).not.toHaveProperty('startedAt');
  expect(rowOf(jobs, '4')).toMatchObject({ phase: 'pending', arrayTasks: 4, stamp: 'stamp-array' });
  expect(rowOf(jobs, '4', '1')).toMatchObject({ phase: 'running', stamp: 'stamp-array' });
  expect(rowOf(jobs, '5')).toMatchObject({ partition: 'gpu', resources: { gpus: 2, gpusByModel: { a100: 2 } } });
  expect(rowOf(jobs, '6')).toMatchObject({ phase: 'suspended', activeSeconds: 1 });
  expect(rowOf(jobs, '7')).not.toHaveProperty('startedAt');
  expect(rowOf(jobs, '8')).not.toHaveProperty('stamp');
  // Components by their own ids, for each has a hold of its own.
  expect([rowOf(jobs, '9'), rowOf(jobs, '10')].map((row) => row?.phase)).toEqual(['pending', 'pending']);
});

test('the accounting says how runs ended, which of them were repeated, and which never ran', async () => {
  const { jobs, faults } = await commands(plays).history(600);
  expect(faults).toEqual([]);
  expect(jobs.map(({ jobId, endState, closing, stamp }) => [jobId, endState ?? closing, stamp])).toEqual([
    ['1', 'COMPLETED', 'stamp-ran'],
    ['2', 'CANCELLED', 'stamp-cancelled'],
    ['7', 'requeued', 'stamp-repeated'],
  ]);
  expect(jobs[1]).not.toHaveProperty('startedAt');
});

test('slurmrestd shows the same as the commands', async () => {
  const { scheduler, asked } = await rest(daemon);
  const still = (jobs: QueuedJob[]) => byId(jobs).map(({ activeSeconds: _, ...row }) => row);
  const [queue, history] = [await scheduler.queue(), await scheduler.history(600.2)];
  expect(still(queue.jobs)).toEqual(still((await commands(plays).queue()).jobs));
  expect(byId(history.jobs)).toEqual(byId((await commands(plays).history(600)).jobs));
  expect(await scheduler.find(['999999'])).toEqual([]);
  // The version is looked up once, and seconds are asked back from Slurm's own now.
  expect(asked.filter(({ path }) => path === '/openapi/v3')).toHaveLength(1);
  expect(asked.map(({ path }) => path).join()).toContain('start_time=now-601seconds&end_time=now');
});

describe('of a job that gave a node back while it ran', () => {
  /** What sacct printed of the job that is in the recordings of slurmrestd (22.05). */
  const row = (times: string, elapsed: number, state: string, size: string, nodes: string) =>
    `1|1|proj-a|alice|cpu|${times}|00:00:${elapsed}|${state}|0:0|||${size}|${size}|00:05:00|${nodes}|`;
  const before = row('1795753080|1795753081|1795753084', 3, 'RESIZING', 'cpu=8,mem=4000M,node=2', 'c[1-2]');
  const after = row('1795753084|1795753081|1795753102', 21, 'COMPLETED', 'cpu=7,mem=3500M,node=1', 'c1');
  const [columns] = recorded('sacct.txt').split('\n');
  const printed = (...rows: string[]) =>
    commands({ ...plays, sacct: `cat <<'END'\n${[columns, ...rows].join('\n')}\nEND` });

  test.each([
    ['that is over', 'rest-resized.json', [before, after]],
    ['that goes on', 'rest-resizing.json', [before]],
  ])('slurmrestd tells each size %s, as the commands do', async (_which, name, rows) => {
    const { scheduler } = await rest((path) => (path.startsWith('/slurmdb/') ? recorded(name) : daemon(path)));
    const { jobs, faults } = await scheduler.history(600);
    const sizes = [
      { sizedAt: '2026-11-27T04:18:01Z', resources: { nodes: 2, cpus: 8 }, phase: 'running' },
      { sizedAt: '2026-11-27T04:18:04Z', resources: { nodes: 1, cpus: 7 }, phase: 'ended' },
    ];
    expect([jobs, faults]).toMatchObject([sizes.slice(0, rows.length), []]);
    expect(jobs).toEqual((await printed(...rows).history(600)).jobs);
    // All of it is one job, and asked for by its id it is told as it stands.
    expect(new Set(jobs.map(({ submittedAt }) => submittedAt))).toEqual(new Set(['2026-11-27T04:18:00Z']));
    expect(await scheduler.find(['1'])).toMatchObject([{ phase: 'running' }, { submittedAt: jobs[0]?.submittedAt }]);
  });
});

test('a later slurmrestd is understood: the newest version, states in lists, numbers in objects', async () => {
  const one = JSON.parse(recorded('rest-jobs.json')) as { jobs: Record<string, unknown>[] };
  const number = (value: unknown) => ({ set: value !== null, infinite: false, number: value ?? 0 });
  const jobs = one.jobs.map((job) => ({
    ...job,
    job_state: job.job_state === 'RUNNING' ? ['RUNNING', 'COMPLETING'] : [job.job_state],
    ...Object.fromEntries(
      ['start_time', 'submit_time', 'end_time', 'time_limit', 'array_job_id', 'array_task_id', 'het_job_id'].map(
        (name) => [name, number(job[name])],
      ),
    ),
  }));
  const later = (path: string) =>
    path === '/openapi/v3' ? paths(38, 41, 40) : JSON.stringify({ jobs, errors: [], warnings: [] });
  const { scheduler, asked } = await rest(later);
  const { jobs: read } = await scheduler.queue();
  expect(asked.at(-1)?.path).toBe('/slurm/v0.0.41/jobs');
  const still = (rows: QueuedJob[]) => byId(rows).map(({ activeSeconds: _, ...row }) => row);
  expect(still(read)).toEqual(still((await commands(plays).queue()).jobs));
});

test('the token is read anew for each answer, so that it can be renewed', async () => {
  const { scheduler, asked, tokenFile } = await rest(daemon);
  await scheduler.queue();
  writeFileSync(tokenFile, 'second');
  await scheduler.queue();
  expect([asked[0]?.token, asked.at(-1)?.token]).toEqual(['first', 'second']);
});

test.each([
  [
    'says no',
    () => '{"errors":[{"error":"Protocol authentication error","description":""}]}',
    /authentication error/,
    60_000,
  ],
  ['answers no JSON', () => 'Unable to parse query.', /Unable to parse query/, 60_000],
  ['never answers', () => undefined, /no answer within 300 ms/, 300],
])('a slurmrestd that %s has not answered', async (_, answers, why, timeoutMs) => {
  const { scheduler } = await rest((path) => (path === '/openapi/v3' ? paths(38) : answers()), timeoutMs);
  await expect(scheduler.queue()).rejects.toThrow(why);
  await expect(scheduler.history(60)).rejects.toThrow(why);
  await expect(scheduler.find(['1'])).rejects.toThrow(why);
});

test.each<[string, Record<string, string>, RegExp, number]>([
  ['is not there', {}, /there is no such program/, 60_000],
  [
    'fails',
    { squeue: 'echo noise >&2; echo "slurm_load_jobs error: Unable to contact slurm controller" >&2; exit 1' },
    /Unable to contact/,
    60_000,
  ],
  ['hangs', { squeue: 'exec sleep 60' }, /did not end within 300 ms/, 300],
])('a squeue that %s has not answered', async (_, scripts, why, timeoutMs) => {
  await expect(commands(scripts, timeoutMs).queue()).rejects.toThrow(why);
});

test('a program that prints without end is cut off, and sees nothing of our environment', async () => {
  const folder = programs({ endless: 'exec yes', environment: 'env' });
  await expect(
    runCommand(join(folder, 'endless'), [], { timeoutMs: 60_000, env: {}, bytesMax: 100_000 }),
  ).rejects.toThrow(/printed more than 100000 bytes/);
  process.env.BURSAR_TEST_SECRET = 'hunter2';
  const seen = await runCommand(join(folder, 'environment'), [], { timeoutMs: 60_000, env: { SLURM_CONF: '/c' } });
  delete process.env.BURSAR_TEST_SECRET;
  expect(seen).toContain('SLURM_CONF=/c');
  expect(seen).not.toContain('hunter2');
});

test('a row that cannot be read makes a listing incomplete, and keeps no other row from being read', async () => {
  const scheduler = commands({
    squeue: `${plays.squeue}; echo '77|77|N/A|HOVERING|'`,
    sacct: `${plays.sacct}; echo 'x|y'`,
  });
  const { jobs, faults } = await scheduler.queue();
  expect(faults).toEqual([expect.stringMatching(/^line \d+: .*fields instead of/)]);
  expect(jobs).toHaveLength((await commands(plays).queue()).jobs.length);
  expect((await scheduler.history(60)).faults).toHaveLength(1);
  await expect(scheduler.find(['1'])).rejects.toThrow(/sacct: line/);
});

test('the commands are asked with the times in seconds, of one cluster where there are several', async () => {
  const says = { squeue: 'echo "$SLURM_TIME_FORMAT $SLURM_CONF $*" >&2; exit 1', sacct: 'echo "$*" >&2; exit 1' };
  const scheduler = slurmCommands({
    ...{ binPath: programs(says), timeoutMs: 60_000, timeZone: 'UTC', cluster: 'eagle' },
    configFile: '/etc/slurm/slurm.conf',
  });
  await expect(scheduler.queue()).rejects.toThrow(/%s \/etc\/slurm\/slurm.conf .*--states=all/);
  await expect(scheduler.find(['7', 'x; rm', '8'])).rejects.toThrow(/--jobs=7,8 --clusters=eagle$/);
});

describe('what became of a job', () => {
  const question = {
    ...{ cluster: 'hpc', key: 'stamp-ran', placedAt: '2026-11-26T00:00:00Z', late: false },
    jobs: [{ jobId: '1' }],
  };
  const asksOf = (asked: object) => {
    const queue: Pick<Queue, 'question' | 'answer'> = {
      question: () => Promise.resolve({ ...question, ...asked }),
      answer: ({ key, cluster }, rows) =>
        rows
          .filter(({ stamp }) => stamp === key)
          .map(({ jobId, phase, submittedAt: at }) => ({
            type: phase === 'ended' ? 'ended' : 'submitted',
            cluster,
            jobId,
            at,
          })),
    };
    return (scheduler: Scheduler) => adapterTo(scheduler, queue).whatBecameOf({ holdId: 'txn_1', cluster: 'hpc' });
  };

  test('is asked of the accounting, by its id', async () => {
    const scheduler = commands({ ...plays, squeue: 'exit 1' });
    expect(await asksOf({})(scheduler)).toMatchObject([{ type: 'ended', jobId: '1' }]);
  });

  test('that has no id yet is looked for in the queue, by its stamp', async () => {
    const scheduler = commands({ ...plays, sacct: 'exit 1' });
    expect(await asksOf({ key: 'stamp-held', jobs: [] })(scheduler)).toMatchObject([{ type: 'submitted', jobId: '3' }]);
    expect(await asksOf({ key: 'stamp-of-nobody', jobs: [] })(scheduler)).toEqual([]);
  });

  test('cannot be said where the queue was not whole and does not show it', async () => {
    const scheduler = commands({ ...plays, squeue: `${plays.squeue}; echo '77|'` });
    await expect(asksOf({ key: 'stamp-of-nobody', jobs: [] })(scheduler)).rejects.toThrow(/as a whole/);
  });
});
