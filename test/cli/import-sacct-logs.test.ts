/** What `bursar import sacct` reads: text and JSON, packed, live; and what it says of what it cannot read. */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { openJobsHouse, type JobsHouse } from '../ledger/jobs-house';
import { runBursar } from './helpers/cli';
import { EVERYTHING, HEADER, log, openSacctFolder, row, used, type Row } from './helpers/sacct-log';

const { importing, inFolder } = openSacctFolder();

test('sacct --json of old and new Slurm, gzipped or not, says the same as text', async () => {
  await using text = await openJobsHouse();
  const rows: Row[] = [
    { id: '1', tres: 'cpu=8,gres/gpu:a100=2,mem=16G,node=2' },
    { id: '102_7', state: 'FAILED' },
    { id: '103+1', raw: '104', state: 'REQUEUED' },
    { id: '104', state: 'RUNNING', end: 'Unknown' },
    { id: '105', state: 'REVOKED' },
    { id: '106', state: 'CANCELLED', nodes: 'None assigned', tres: '' },
  ];
  const columns =
    'job_id, submitted_at, started_at, ended_at, user_name, end_state, nodes, cpus, gpus, memory_mib, active_micros';
  const kept = ({ sql }: JobsHouse) => sql.unsafe(`select ${columns} from ledger.imported_runs order by job_id`);
  await importing(text, log(...rows), '--apply');
  expect(await kept(text)).toHaveLength(3);

  const seconds = (at: string | undefined) => (at === 'Unknown' ? 0 : Date.parse(`${at}Z`) / 1000);
  const jobOf = ({ id, state = 'COMPLETED', tres = 'cpu=8,mem=16G,node=2', ...more }: Row, isNew: boolean) => {
    const [, base = '', task, offset] = /^(\d+)(?:_(\d+)|\+(\d+))?$/.exec(id) ?? [];
    const number = (value: number) => (isNew ? { set: true, infinite: false, number: value } : value);
    const unset = isNew ? { set: false, infinite: false, number: 0 } : null;
    return {
      account: 'physics',
      comment: { administrator: 'braces } and "quotes\\" {', job: '', system: '' },
      allocation_nodes: 2,
      array: { job_id: task ? Number(base) : 0, task_id: task ? number(Number(task)) : unset, task: '' },
      association: { account: 'physics', cluster: 'hpc', partition: '', user: 'rkaur' },
      cluster: 'hpc',
      het: { job_id: offset ? Number(base) : 0, job_offset: offset ? number(Number(offset)) : unset },
      job_id: Number(base) + Number(task ?? 0) + Number(offset ?? 0),
      nodes: more.nodes ?? 'n[1-2]',
      partition: 'batch',
      state: { current: isNew ? [state] : state, reason: 'None' },
      steps: [{ step: { id: { job_id: 1, step_id: 'batch' } }, tres: { allocated: [] } }],
      time: {
        elapsed: 3600,
        submission: seconds('2026-03-02T11:00:00'),
        start: seconds('2026-03-02T12:00:00'),
        end: seconds(more.end ?? '2026-03-02T13:00:00'),
        suspended: 0,
      },
      tres: {
        requested: [],
        allocated: tres
          .split(',')
          .filter((part) => part !== '')
          .map((part) => {
            const [name = '', count = ''] = part.split('=');
            const [type, ...named] = name.split('/');
            return { type, name: named.join('/'), id: 1, count: name === 'mem' ? 16_384 : Number(count) };
          }),
      },
      user: 'rkaur',
    };
  };
  for (const isNew of [false, true]) {
    await using house = await openJobsHouse();
    const whole = JSON.stringify(
      { meta: { jobs: 'no' }, jobs: rows.map((each) => jobOf(each, isNew)), errors: [] },
      null,
      isNew ? 1 : 0,
    );
    const answer = await importing(house, gzipSync(whole), '--apply', '--json');
    expect(answer.json).toMatchObject({ rows: 6, new_runs: 3, unreadable: 0 });
    expect(await kept(house)).toEqual(await kept(text));
    const cut = await importing(house, whole.slice(0, -40));
    expect(cut).toMatchObject({ code: 2, err: expect.stringContaining('The JSON ends in the middle') });
  }
});

test('a log that is not there, or gzip that is cut off, is said to be so', async () => {
  await using house = await openJobsHouse();
  const missing = ['import', 'sacct', inFolder('nowhere.log'), '--cluster', 'hpc', '--database-url', house.url];
  const gone = await runBursar(missing);
  expect(gone).toMatchObject({
    code: 2,
    err: expect.stringMatching(/^The log cannot be read: [^\n]*nowhere\.log[^\n]*\n$/),
  });
  const packed = gzipSync(log(...EVERYTHING));
  const cut = await importing(house, packed.subarray(0, packed.length - 20));
  expect(cut).toMatchObject({ code: 2, err: expect.stringContaining('sacct.log is gzip that is broken or cut off') });
});

describe('a log of which nothing can be understood is a mistake, and says what is expected', () => {
  const [wrong, few] = ['JobID|Usr|Account|Submitt|Start|End|State', '1|rkaur|physics|2026-03-02T11:00:00'];
  test.each([
    [
      'columns that are misspelt',
      `${wrong}\n`,
      /line 1: the heading has no column Submit \("usr" may be User, "submitt" may be Submit\)/,
    ],
    ['no column of ids', 'Job|User|Submit|Start|End|State\n', /the heading has no column JobID/],
    ['no ends', 'JobID|Account|User|Submit|State\n', /the heading has no column Start, End\./],
    [
      'fewer fields than columns',
      `${few}\n\n${few}\n`,
      /sacct\.log has 2 rows, of which none can be read\.\n.*line 1: has 4 fields/,
    ],
    [
      'numbers as JSON',
      '[1,2]',
      /has 2 rows, of which none can be read\.\n.*line 1: "1" stands where a job belongs; .*\{"jobs": \[\{"job_id": 1/,
    ],
    ['other objects as JSON', '{"jobs": [{"a": 1}]}', /has 1 row, of which none can be read/],
  ])('%s', async (_, text, words) => {
    await using house = await openJobsHouse();
    const refused = await importing(house, text, '--apply');
    expect(refused).toMatchObject({ code: 2, err: expect.stringMatching(words) });
    if (!/JSON/.test(_)) expect(refused.err).toContain('in order, with --columns, like JobID,');
  });

  test('--columns names the columns of a log whose heading is of no use', async () => {
    await using house = await openJobsHouse();
    const text = `${wrong}\n1|rkaur|physics|2026-03-02T11:00:00|2026-03-02T12:00:00|2026-03-02T13:00:00|COMPLETED\n`;
    const columns = 'JobID,User,Account,Submit,Start,End,State';
    expect((await importing(house, text, '--columns', columns, '--json')).json).toMatchObject({ rows: 1, runs: 1 });
    const misspelt = await importing(house, text, '--columns', columns.replace('State', 'Stat'));
    expect(misspelt).toMatchObject({
      code: 2,
      err: expect.stringMatching(/the list of columns has no column State \("stat" may be State\)/),
    });
  });

  test('and a log of no jobs is none', async () => {
    await using house = await openJobsHouse();
    for (const text of [`${HEADER}\n`, '{"jobs": []}']) {
      expect((await importing(house, text, '--json')).json).toMatchObject({ rows: 0, runs: 0 });
    }
  });
});

test('a row with a NUL, as text or JSON, is named and left out; the others come in', async () => {
  await using house = await openJobsHouse();
  const text = log(...Array.from({ length: 20 }, (_, at) => ({ id: String(100 + at) })), {
    id: '200',
    user: 'rk\0aur',
  });
  const read = await importing(house, text, '--apply', '--json');
  expect(read.json).toMatchObject({ new_runs: 20, unreadable: 1 });
  const job = (id: number, user: string) => ({
    job_id: id,
    account: 'physics',
    partition: 'batch',
    user,
    nodes: 'c1',
    time: { submission: 1772359200, start: 1772359210, end: 1772362810 },
    state: { current: 'COMPLETED' },
    tres: { allocated: [{ type: 'cpu', count: 4 }] },
  });
  const json = JSON.stringify({ jobs: [job(301, 'rk\0aur'), job(302, 'rkaur')] });
  expect((await importing(house, json, '--apply', '--json')).json).toMatchObject({ new_runs: 1, unreadable: 1 });
});

test('--live asks sacct for one stretch of time after the other, and says what sacct says when it fails', async () => {
  await using house = await openJobsHouse();
  const program = inFolder('sacct');
  const asked = inFolder('asked');
  writeFileSync(
    program,
    `#!/bin/sh\necho "$TZ $SLURM_TIME_FORMAT $*" >> ${asked}\necho '${HEADER}'\n` +
      `case "$*" in *--starttime=2026-03-02T00:00:00*) echo '${row({ id: '1', submit: '1772449200', start: '1772452800', end: '1772456400' })}';;\n` +
      `*--starttime=2026-03-04*) echo 'sacct: error: slurmdbd is away' >&2; exit 1;; esac\n`,
  );
  chmodSync(program, 0o755);
  const live = (until: string, ...args: string[]) =>
    runBursar(
      [
        'import',
        'sacct',
        '--live',
        '--sacct',
        program,
        '--cluster',
        'hpc',
        '--database-url',
        house.url,
        '--since',
        '2026-03-01',
        '--until',
        until,
        ...args,
      ],
      { env: { PATH: process.env.PATH ?? '' } },
    );
  expect((await live('2026-03-03', '--apply')).out).toContain('Imported: 1 run.');
  expect(await used(house)).toEqual([1, '28800', '0', '0', 0]);
  const lines = readFileSync(asked, 'utf8').trim().split('\n');
  expect(lines).toHaveLength(3);
  expect(lines[1]).toMatch(/^UTC %s .*--duplicates.*--starttime=2026-03-02T00:00:00 --endtime=2026-03-03T00:00:00$/);
  const failed = await live('2026-03-05', '--apply');
  expect(failed).toMatchObject({ code: 1, err: expect.stringContaining('slurmdbd is away') });
});
