/** A spool of ASBX's, watched: every report settles its hold once, whatever arrives twice, late or half-written. Contract §8.5. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once as happening } from 'node:events';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { JOB } from '../api/helpers/api';
import { ensureBuilt } from '../helpers/built';
import { eventually } from '../helpers/eventually';
import { removeScratch, scratchFolder } from '../helpers/scratch';
import { runBursar, startCli, type Ended, type TestCli } from './helpers/cli';

let cli: TestCli;
let scratch: string;
let spool: string;
let made = 0;
beforeAll(async () => {
  ensureBuilt();
  scratch = scratchFolder();
  cli = await startCli();
  await cli.api.account('lab', 10_000);
});
beforeEach(() => {
  spool = join(scratch, `spool-${(made += 1)}`);
  mkdirSync(spool);
});
afterEach(async () => {
  expect((await cli.api.get('/api/v1/audit')).body).toMatchObject({ ok: true, difference: '0' });
});
afterAll(async () => {
  await cli.stop();
  await removeScratch(scratch);
});

const nextJob = () => `${(made += 1) + 880_000}`;

/** A held job that is bound, so that a report with its id finds it. */
async function heldJob(): Promise<{ job: string; id: string }> {
  const job = nextJob();
  const { transaction_id: id } = (await cli.api.post('/api/v1/budget/check', { account: 'lab', ...JOB })).body;
  await cli.api.post('/api/v1/jobs/events', {
    events: [{ type: 'submitted', job_id: job, transaction_id: id, at: new Date().toISOString() }],
  });
  return { job, id };
}
const flat = (job: string, more: object = {}) =>
  JSON.stringify({
    job_id: job,
    account: 'lab',
    user_id: 'rkaur',
    partition: 'cpu',
    actual_cost: 0.05,
    compute_cost: 0.04,
    storage_cost: 0.01,
    network_cost: 0,
    spot_savings: 0,
    instance_types: ['c5.large'],
    duration_hours: 0.5,
    success: true,
    export_time: '2026-03-02T17:45:00Z',
    plugin_version: '0.4.0',
    ...more,
  });
const nameOf = (job: string) => `job-${job}-asbb-reconciliation.json`;
const put = (name: string, text: string | Uint8Array) => {
  writeFileSync(join(spool, name), text);
  return name;
};
/** As if nobody had touched it for a minute. */
const old = (name: string) => utimesSync(join(spool, name), Date.now() / 1000 - 60, Date.now() / 1000 - 60);
const once = (...more: string[]) => cli.bursar('asbx', 'watch', spool, '--once', ...more);
const inSpool = (below = '') => {
  const folder = join(spool, below);
  return existsSync(folder) ? readdirSync(folder).toSorted() : [];
};
const holdOf = async (id: string) => (await cli.api.get(`/api/v1/holds/${id}`)).body;
const moves = async (job: string) =>
  (await cli.api.get(`/api/v1/transactions?job_id=${job}`)).body.map((row: { kind: string }) => row.kind).toSorted();
const SETTLED_ONCE = ['charge', 'hold', 'release'];

test('both shapes settle their holds and go to done; files that are not ours stay where they are', async () => {
  const [one, two] = [await heldJob(), await heldJob()];
  put(nameOf(one.job), flat(one.job));
  put(
    `job_${two.job}_cost.json`,
    JSON.stringify({ job_cost_data: { slurm_job_id: two.job, account: 'lab', actual_cost: 0.06 } }),
  );
  put('notes.json', flat(one.job));
  put(`.${nameOf(one.job)}.tmp`, '{');
  mkdirSync(join(spool, 'job_folder_cost.json.d'));
  const { code, out } = await once();
  expect({ code, out }).toMatchObject({
    code: 0,
    out: expect.stringContaining('reconciled, 0.05 USD charged, 0.07 USD given back'),
  });
  expect(await holdOf(one.id)).toMatchObject({ status: 'settled', charged: 0.05 });
  expect(await holdOf(two.id)).toMatchObject({ status: 'settled', charged: 0.06 });
  expect(inSpool('done')).toEqual([nameOf(one.job), `job_${two.job}_cost.json`].toSorted());
  expect(inSpool()).toEqual([`.${nameOf(one.job)}.tmp`, 'done', 'job_folder_cost.json.d', 'notes.json']);
  expect((await once()).out).toBe(`No reports in ${spool}.\n`);
});

test('twenty watchers of one folder, and the same report twice: settled once, and nothing is lost', async () => {
  const jobs = await Promise.all(Array.from({ length: 5 }, heldJob));
  for (const { job } of jobs) {
    put(nameOf(job), flat(job));
    put(`job_${job}_cost.json`, flat(job));
  }
  const ended = await Promise.all(Array.from({ length: 20 }, () => once()));
  expect(ended.map(({ code, err }) => ({ code, err }))).toEqual(ended.map(() => ({ code: 0, err: '' })));
  for (const { job, id } of jobs) {
    expect(await holdOf(id)).toMatchObject({ status: 'settled', charged: 0.05 });
    expect(await moves(job)).toEqual(SETTLED_ONCE);
  }
  expect(inSpool()).toEqual(['done']);
  expect(inSpool('done')).toHaveLength(10);
});

test('a watcher that dies between sending and moving sends again, which changes nothing', async () => {
  const { job, id } = await heldJob();
  put(nameOf(job), flat(job));
  // What is in the way of done/ ends it at just that moment.
  writeFileSync(join(spool, 'done'), '');
  expect((await once()).code).not.toBe(0);
  expect(await holdOf(id)).toMatchObject({ status: 'settled', charged: 0.05 });
  expect(inSpool()).toEqual(['done', nameOf(job)]);
  rmSync(join(spool, 'done'));
  expect((await once()).out).toContain('reconciled before with 0.05 USD; nothing changed');
  expect(inSpool('done')).toEqual([nameOf(job)]);
  expect(await moves(job)).toEqual(SETTLED_ONCE);
});

test('the same where it is killed with -9 while the service has the report and has not answered yet', async () => {
  const { job, id } = await heldJob();
  put(nameOf(job), flat(job));
  let watcher: ChildProcess | undefined;
  // Stands between the two: what it has passed on is done, and who asked is dead before he hears of it.
  const between = createServer((incoming, outgoing) => {
    void (async () => {
      const body = Buffer.concat(await incoming.toArray()).toString();
      const { status } = await cli.api.post(incoming.url ?? '', undefined, { raw: body });
      watcher?.kill('SIGKILL');
      outgoing.writeHead(status).end();
    })();
  });
  await new Promise<void>((resolve) => between.listen(0, '127.0.0.1', resolve));
  const { port } = between.address() as AddressInfo;
  watcher = spawn(process.execPath, [join(__dirname, '../../dist/bursar.js'), 'asbx', 'watch', spool], {
    env: { PATH: '/usr/bin:/bin', BURSAR_HOME: spool, BURSAR_URL: `http://127.0.0.1:${port}` },
    stdio: 'ignore',
  });
  const [, signal] = (await happening(watcher, 'exit')) as [number | null, string];
  between.close();
  expect(signal).toBe('SIGKILL');
  expect(inSpool()).toEqual([nameOf(job)]);
  expect(await holdOf(id)).toMatchObject({ status: 'settled', charged: 0.05 });
  expect((await once()).out).toContain('reconciled before');
  expect(inSpool()).toEqual(['done']);
  expect(await moves(job)).toEqual(SETTLED_ONCE);
});

test('a half-written file is waited for; a byte order mark is no obstacle', async () => {
  const { job, id } = await heldJob();
  const text = `\uFEFF${flat(job, { actual_cost: '0.050000000000000004' })}`;
  put(nameOf(job), text.slice(0, 40));
  expect(await once()).toMatchObject({ code: 0, out: expect.stringContaining('kept: it is no JSON') });
  expect(inSpool()).toEqual([nameOf(job)]);
  appendFileSync(join(spool, nameOf(job)), text.slice(40));
  expect((await once()).code).toBe(0);
  expect(await holdOf(id)).toMatchObject({ status: 'settled', charged: 0.05 });
});

test.each([
  ['half written and left so', (job: string) => flat(job).slice(0, 40), 'it is no JSON'],
  ['NaN', (job: string) => flat(job).replace('0.05', 'NaN'), 'it is no JSON'],
  ['empty', () => '', 'it is empty'],
  ['not UTF-8', () => Buffer.from([0x7b, 0xff, 0x7d]), 'it is not UTF-8'],
  ['a list', () => '[]', 'no report'],
  ['huge', (job: string) => flat(job) + ' '.repeat(2_000_000), 'larger than'],
  ['without a cost', (job: string) => flat(job, { actual_cost: undefined }), 'actual_cost is required'],
  ['of 1e400', (job: string) => flat(job).replace('0.05', '1e400'), 'actual_cost'],
  ['negative', (job: string) => flat(job, { actual_cost: -1 }), 'must not be negative'],
])(
  'a report that is %s goes to failed, with the reason beside it, and does not stop the others',
  async (_what, write, reason) => {
    const [bad, good] = [await heldJob(), await heldJob()];
    put(nameOf(bad.job), write(bad.job));
    old(nameOf(bad.job));
    put(nameOf(good.job), flat(good.job));
    const { code, out } = await once();
    expect({ code, out }).toMatchObject({ code: 1, out: expect.stringContaining(`${nameOf(bad.job)}: failed: `) });
    expect(inSpool('failed')).toEqual([nameOf(bad.job), `${nameOf(bad.job)}.reason.txt`]);
    expect(readFileSync(join(spool, 'failed', `${nameOf(bad.job)}.reason.txt`), 'utf8')).toContain(reason);
    expect(await holdOf(bad.id)).toMatchObject({ status: 'open', charged: 0 });
    expect(await holdOf(good.id)).toMatchObject({ status: 'settled' });
  },
);

test('a report of a job without a hold is taken, waits at the service, and is applied later', async () => {
  const job = nextJob();
  put(nameOf(job), flat(job));
  expect((await once()).out).toContain('waits as unmatched report');
  expect(inSpool('done')).toEqual([nameOf(job)]);
  const { transaction_id } = (await cli.api.post('/api/v1/budget/check', { account: 'lab', ...JOB, user_id: 'rkaur' }))
    .body;
  const now = Math.floor(Date.now() / 1000);
  const epilog = {
    job_id: job,
    account: 'lab',
    partition: 'cpu',
    user_id: 'rkaur',
    job_state: '0',
    submit_time: now,
    start_time: now,
    end_time: now + 60,
  };
  const { body } = await cli.api.post('/api/v1/asbx/epilog', epilog);
  expect(body).toMatchObject({ transaction_id, charged: 0.05 });
});

test('another cost than before is refused for good, and says what stands', async () => {
  const { job, id } = await heldJob();
  put(nameOf(job), flat(job));
  await once();
  put(nameOf(job), flat(job, { actual_cost: 0.07 }));
  expect((await once()).code).toBe(1);
  expect(readFileSync(join(spool, 'failed', `${nameOf(job)}.reason.txt`), 'utf8')).toContain(
    'settled with a reported cost of 0.05',
  );
  expect(await holdOf(id)).toMatchObject({ charged: 0.05 });
});

test('what the service cannot take now stays and is sent when it can', async () => {
  const { job, id } = await heldJob();
  put(nameOf(job), flat(job));
  const away = await runBursar(['asbx', 'watch', spool, '--once'], { endpoint: 'http://127.0.0.1:1' });
  expect(away).toMatchObject({ code: 5, out: expect.stringContaining('kept: Bursar cannot be reached') });
  const locked = await runBursar(['asbx', 'watch', spool, '--once'], {
    endpoint: cli.url,
    env: { BURSAR_TOKEN: 'bursar_0_x' },
  });
  expect(locked.code).toBe(1);
  expect(inSpool()).toEqual([nameOf(job)]);
  expect((await once()).code).toBe(0);
  expect(await holdOf(id)).toMatchObject({ status: 'settled' });
});

test('a watcher goes on until it is stopped: it takes what comes, and waits for what is still written', async () => {
  const [first, second] = [await heldJob(), await heldJob()];
  const ending = new AbortController();
  const watching: Promise<Ended> = runBursar(['asbx', 'watch', spool], {
    endpoint: cli.url,
    interrupted: ending.signal,
  });
  put(nameOf(first.job), flat(first.job));
  await eventually('the first report is taken', () => inSpool('done').includes(nameOf(first.job)));
  put(nameOf(second.job), flat(second.job).slice(0, 30));
  writeFileSync(join(spool, nameOf(second.job)), flat(second.job));
  await eventually('the second report is taken', () => inSpool('done').includes(nameOf(second.job)));
  ending.abort();
  const { code, out } = await watching;
  expect({ code, settled: out.match(/reconciled, /g)?.length }).toEqual({ code: 0, settled: 2 });
  expect(await holdOf(second.id)).toMatchObject({ status: 'settled', charged: 0.05 });
});

test('a folder that is not there is said so', async () => {
  expect(await cli.bursar('asbx', 'watch', '/nowhere', '--once')).toMatchObject({
    code: 2,
    err: expect.stringContaining('there is no such folder'),
  });
});

test('single files are imported where they are, and the status tells what came', async () => {
  const { job, id } = await heldJob();
  const file = join(spool, put('anything.json', flat(job)));
  expect((await cli.works('asbx', 'import', file)).out).toContain('reconciled, 0.05 USD charged');
  expect((await cli.works('asbx', 'import', file, '--json')).json).toMatchObject([
    { replayed: true, original_transaction: id },
  ]);
  expect(existsSync(file)).toBe(true);
  expect(await cli.bursar('asbx', 'import', join(spool, 'nothing.json'))).toMatchObject({ code: 2 });
  const some = await cli.bursar('asbx', 'import', file, join(spool, 'nothing.json'));
  expect(some).toMatchObject({ code: 1, err: expect.stringContaining('1 of 2 reports were not taken') });
  expect((await cli.works('asbx', 'status')).out).toMatch(/Reconciled: +\d+\nRefused: +1\n/);
});

// How ASBX finds out whether a site has ASBB (contract 8.5): the version, and the status of this help.
test('ASBX recognises the command that is installed as asbb', () => {
  const asbb = (...args: string[]) =>
    execFileSync(
      process.execPath,
      [
        '-e',
        `process.argv[1] = '/usr/local/bin/asbb'; require(${JSON.stringify(join(__dirname, '../../bin/bursar.js'))})`,
        '/usr/local/bin/asbb',
        ...args,
      ],
      { encoding: 'utf8' },
    );
  expect(asbb('--version')).toMatch(/^asbb version bursar \d+\.\d+\.\d+/);
  expect(asbb('reconcile', '--help')).toContain('Usage: asbb reconcile');
});
