/** `bursar import sacct`: what rows, names and files get wrong, and what is told of it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { TestDatabase } from '../helpers/database';
import { openJobsHouse } from '../ledger/jobs-house';
import { runBursar } from './helpers/cli';

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'bursar-sacct-rows-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const importing = ({ url }: Pick<TestDatabase, 'url'>, content: string | Buffer, ...args: string[]) => {
  const file = join(folder, 'sacct.log');
  writeFileSync(file, content);
  return runBursar(['import', 'sacct', file, '--cluster', 'hpc', '--database-url', url, ...args]);
};

const HEADER = 'JobID|Account|User|Submit|Start|End|Elapsed|State|NNodes|NCPUS|AllocTRES|NodeList';

/** Rows from what they have behind the account and the user. */
const log = (...rows: string[]): string => [HEADER, ...rows, ''].join('\n');
const hour = (id: number, resources: string, account = 'physics') =>
  `${id}|${account}|rkaur|2026-03-02T11:00:00|2026-03-02T12:00:00|2026-03-02T13:00:00|01:00:00|COMPLETED|${resources}|n1`;

const reported = (file: string): Record<string, string>[] =>
  (JSON.parse(readFileSync(file, 'utf8')) as { findings: Record<string, string>[] }).findings;

test('a count that sacct has shortened counts whole, and one that is none makes its row unreadable', async () => {
  await using house = await openJobsHouse();
  const report = join(folder, 'report.json');
  const text = log(hour(7, '2K|2K|'), hour(8, 'foo|bar|'), hour(9, '2|64|node=2,mem=8G,gres/gpu=4'));
  expect((await importing(house, text, '--json', '--report', report)).json).toMatchObject({
    runs: 2,
    unreadable: 1,
    cpu_hours: '2112',
    node_hours: '2050',
    gpu_hours: '4',
  });
  // The log names no partitions.
  expect(reported(report)).toContainEqual(
    expect.objectContaining({ detail: 'gpu has no rate in USD on hpc; enter one (0 where it is free).' }),
  );
  expect(reported(report).filter(({ kind }) => kind === 'unreadable')).toEqual([
    expect.objectContaining({ line: '3', detail: expect.stringContaining('column NNodes: "foo" is no count') }),
  ]);
});

test('in the hour that comes twice a run lasts as long as Elapsed says, and who cannot be told apart is reported', async () => {
  await using house = await openJobsHouse({ cluster: { timeZone: 'America/New_York' } });
  const report = join(folder, 'report.json');
  const night = (id: number, start: string, end: string, elapsed: string) =>
    `${id}|physics|rkaur|2026-10-31T12:00:00|2026-11-01T${start}|2026-11-01T${end}|${elapsed}|COMPLETED|1|1||n1`;
  const text = log(
    night(1, '01:10:00', '01:50:00', '01:40:00'),
    night(2, '01:30:00', '03:00:00', '01:30:00'),
    night(3, '00:30:00', '01:30:00', '02:00:00'),
    night(4, '01:10:00', '01:50:00', '00:40:00'),
  );
  const imported = await importing(house, text, '--apply', '--json', '--report', report);
  expect(imported.json).toMatchObject({ cpu_hours: '5.8333', times_in_doubt: 1 });
  expect(reported(report).filter(({ kind }) => kind !== 'unpriced')).toEqual([
    expect.objectContaining({
      kind: 'uncertain_time',
      job_id: '4',
      detail: expect.stringContaining('taken to have run from 2026-11-01T05:10:00Z to 2026-11-01T05:50:00Z'),
    }),
  ]);
});

const job = (id: number, changes: object = {}) => ({
  job_id: id,
  account: 'physics',
  partition: 'batch',
  user: 'rkaur',
  nodes: 'n1',
  allocation_nodes: 1,
  time: { submission: 1772359200, start: 1772359210, end: 1772362810 },
  state: { current: ['COMPLETED'] },
  tres: { allocated: [{ type: 'cpu', count: 4 }] },
  ...changes,
});
const jobs = (...some: unknown[]): string => `${JSON.stringify({ meta: { jobs: 'no' }, jobs: some })}\n`;

test('JSON documents one behind the other are all read, gzipped one by one too; what is no JSON behind them is refused', async () => {
  await using house = await openJobsHouse();
  const days = [jobs(job(1)), jobs(job(2), job(3)), JSON.stringify([job(4)])];
  for (const text of [days.join(''), Buffer.concat(days.map((day) => gzipSync(day)))]) {
    expect((await importing(house, text, '--json')).json).toMatchObject({ rows: 4, runs: 4 });
  }
  for (const [more, words] of [
    ['7|physics\n', /Behind the JSON stands "7\|physics"/],
    ['}', /Behind the JSON stands "\}"/],
    ['{"errors": []}', /has no array "jobs"/],
    ['{"jobs": [', /ends in the middle/],
  ] as const) {
    expect(await importing(house, `${days[0]}${more}`)).toMatchObject({ code: 2, err: expect.stringMatching(words) });
  }
});

test('what is no job, or mangled, among the jobs of JSON is named, and the others come in', async () => {
  await using house = await openJobsHouse();
  const report = join(folder, 'report.json');
  const mangled = [
    5,
    'x, ]}',
    null,
    [job(9)],
    job(10, { tres: { allocated: 'x' } }),
    job(11, { time: { submission: 1772359200, start: 'abc', end: 1772362810 } }),
    job(12, { state: 7 }),
    job(13, { allocation_nodes: '2' }),
    job(14, { tres: { allocated: [{ name: 'gpu', count: 1 }] } }),
  ];
  const text = jobs(job(1), ...mangled, job(2)).replace('"job_id":12', '"job_id" 12');
  const imported = await importing(house, text, '--apply', '--json', '--report', report);
  expect(imported.json).toMatchObject({ rows: 11, new_runs: 2, unreadable: 9 });
  expect(
    reported(report)
      .filter(({ kind }) => kind === 'unreadable')
      .map(({ detail }) => detail?.slice(0, 90)),
  ).toEqual([
    expect.stringMatching(/^line 2: "5" stands where a job belongs/),
    expect.stringMatching(/^line 3: ".*x, \]\}.*" stands where/),
    expect.stringMatching(/^line 4: "null" stands where/),
    expect.stringMatching(/^line 5: ".*" stands where/),
    'line 6: tres.allocated: "x" is no list',
    'line 7: time.start: "abc" is no number',
    expect.stringMatching(/^line 8: this job is no JSON/),
    'line 9: allocation_nodes: "2" is no number',
    expect.stringMatching(/^line 10: tres\.allocated\[0\]: .* is without a type/),
  ]);
});

test('a run that the log names again and again counts and costs once, in the dry run too', async () => {
  await using house = await openJobsHouse();
  const text = jobs(job(1), job(2), job(2), job(1));
  const once = {
    ...{ rows: 4, runs: 2, repeated_rows: 2, new_runs: 2, cpu_hours: '8' },
    late_charges: { runs: 2, totals: [{ unit: 'USD', amount: '2' }] },
  };
  expect((await importing(house, text, '--json', '--charge')).json).toMatchObject(once);
  const charging = ['--json', '--charge', '--apply'];
  expect((await importing(house, text, ...charging)).json).toMatchObject({ ...once, runs_with_a_charge: 2 });
  // From another log, so that nothing is passed over unread: what is known comes twice, too.
  const again = jobs(job(3), job(1), job(1));
  const known = { runs: 2, repeated_rows: 1, new_runs: 1, cpu_hours: '8' };
  const dry = await importing(house, again, '--json', '--charge');
  expect(dry.json).toMatchObject({ ...known, late_charges: { runs: 1, totals: [{ amount: '1' }] } });
  expect((await importing(house, again, ...charging)).json).toMatchObject({ ...known, runs_with_a_charge: 2 });
  expect(await house.ledger.audit.run()).toMatchObject({ ok: true });
});

test('and so it does where the log is cut into pieces, of which two are the same', async () => {
  await using house = await openJobsHouse();
  // A piece is 5,000 jobs: the second is cut as the first is, the third otherwise.
  const day = Array.from({ length: 5000 }, (_, n) => job(n + 1));
  const text = jobs(...day, ...day, job(1), job(6000), job(6000), job(2));
  const once = { rows: 10_004, runs: 5001, repeated_rows: 5003, new_runs: 5001, cpu_hours: '20004' };
  expect((await importing(house, text, '--json')).json).toMatchObject(once);
  expect((await importing(house, text, '--json', '--apply')).json).toMatchObject(once);
  expect((await importing(house, text, '--json', '--apply')).json).toMatchObject({ ...once, new_runs: 0 });
});

test('a name that no account can have is named, by the dry run too, and holds up none of the accounts that are made', async () => {
  await using house = await openJobsHouse();
  const report = join(folder, 'report.json');
  const names = ['good1', 'x'.repeat(300), 'a/b', 'good2'];
  const text = log(...names.map((name, at) => hour(at + 1, '1|1|cpu=1,mem=1G,node=1', name)));
  const create = ['--new-accounts', 'create', '--start', '2026-01-01', '--end', '2027-12-31', '--budget', '5'];
  for (const more of [[], ['--apply']]) {
    const imported = await importing(house, text, ...create, '--json', '--report', report, ...more);
    expect(imported.json).toMatchObject({ new_runs: 2, new_accounts: ['good1', 'good2'] });
    expect(reported(report).filter(({ kind }) => kind === 'unknown_account')).toEqual([
      expect.objectContaining({
        account: names[1],
        detail: expect.stringMatching(/none can have such a name \(at most 64/),
      }),
      expect.objectContaining({ account: 'a/b' }),
    ]);
  }
  expect((await importing(house, text, ...create)).out).toContain('No account can have such a name');
});

test('the days of --live are those of the cluster', async () => {
  await using house = await openJobsHouse({ cluster: { timeZone: 'Asia/Tokyo' } });
  const [program, asked] = [join(folder, 'sacct'), join(folder, 'asked')];
  writeFileSync(program, `#!/bin/sh\necho "$TZ $*" >> ${asked}\necho '${HEADER}'\n`, { mode: 0o755 });
  const command = ['import', 'sacct', '--live', '--sacct', program, '--cluster', 'hpc', '--database-url', house.url];
  await runBursar([...command, '--since', '2026-03-02', '--until', '2026-03-02'], {
    env: { PATH: process.env.PATH ?? '' },
  });
  expect(readFileSync(asked, 'utf8')).toMatch(
    /^UTC .*--starttime=2026-03-01T15:00:00 --endtime=2026-03-02T15:00:00\n$/,
  );
});

test('a run that ends in the future is unreadable, and takes no other out of the reports', async () => {
  await using house = await openJobsHouse();
  const wrong = hour(8, '1|1|cpu=1,mem=1G,node=1').replaceAll('2026-03-02T1', '9999-12-31T1');
  const report = join(folder, 'report.json');
  const text = log(hour(7, '1|1|cpu=1,mem=1G,node=1'), wrong);
  const imported = await importing(house, text, '--apply', '--json', '--report', report);
  expect(imported.json).toMatchObject({ new_runs: 1, unreadable: 1 });
  expect(reported(report)).toContainEqual(
    expect.objectContaining({ line: '3', detail: 'line 3: column End: the job would have ended in the future' }),
  );
  const period = { from: '2026-03-01', to: '2026-03-31' };
  const { total } = await house.ledger.usage.report({ period, cluster: 'hpc' }, { limit: 1 });
  expect(total.jobs).toBe(1);
});
