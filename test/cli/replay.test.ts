/** `bursar replay`: the same decisions as the API's, proposals with all their mistakes, and nothing left behind. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { Client } from '../../cli/client';
import { groupRows, tresOf } from '../../cli/demo/log';
import { makePlan } from '../../cli/demo/plan';
import { setUp } from '../../cli/demo/setup';
import { timelineOf } from '../../cli/demo/timeline';
import type { SacctEvent } from '../../domain/sacct';
import type { LoggedJob } from '../../domain/sacct-jobs';
import { renderDuration } from '../../domain/slurm-time';
import { PACKAGE_ROOT } from '../../platform/paths';
import { connectPostgres } from '../../platform/postgres';
import { eventually } from '../helpers/eventually';
import { startCli, type TestCli } from './helpers/cli';

let cli: TestCli;
let folder: string;
beforeAll(async () => {
  cli = await startCli();
  folder = mkdtempSync(join(tmpdir(), 'bursar-replay-'));
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await cli.stop();
});

const fileWith = (name: string, text: string): string => {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
};

const replaying = (...args: string[]) => cli.bursar('replay', ...args, '--database-url', cli.api.database.url);

/**
 * Of the databases of replays only these are left, but for those that a replay works in. Suites beside this one have theirs, too: each
 * is seen for a moment before its replay has connected to it, and before it is dropped.
 */
const expectLeft = (...names: string[]) =>
  eventually(`of replays only these are left: ${names.join(', ') || 'none'}`, async () => {
    const left = await cli.api.sql<{ datname: string }[]>`
      select datname from pg_database d where datname like 'bursar_replay_%'
        and not exists (select from pg_stat_activity a where a.datname = d.datname and a.application_name = 'bursar-replay')`;
    expect(left.map(({ datname }) => datname)).toEqual(names);
    return true;
  });

const LOG = join(PACKAGE_ROOT, 'examples/pinewood-march.log');

interface Denied {
  job_id: string;
  submitted_at: string;
  code: string;
  message: string;
}

/** Every job through the API as a hook and a scheduler would tell of it, each story looking at once at what it heard. */
async function liveDenials(jobs: readonly LoggedJob[]): Promise<Denied[]> {
  const holds = new Map<LoggedJob, string>();
  const denied: Denied[] = [];
  for (const occurrence of timelineOf(jobs)) {
    const { job } = occurrence;
    if (occurrence.what === 'submit') {
      const { status, body } = await cli.api.post('/api/v1/budget/check', checkBody(job));
      expect(status).toBe(200);
      if (body.available) holds.set(job, body.transaction_id);
      else denied.push({ job_id: job.jobId, submitted_at: job.submittedAt, code: body.code, message: body.message });
      continue;
    }
    const hold = holds.get(job);
    if (hold === undefined) continue;
    const { body } = await cli.api.post('/api/v1/jobs/events', { events: [eventBody(job, occurrence.event, hold)] });
    expect(body.receipts?.[0]?.status ?? 'recorded').not.toBe('rejected');
    await cli.api.ledger.jobs.advance(hold, { now: occurrence.event.at, scheduler: 'asked' });
  }
  return denied;
}

const checkBody = (job: LoggedJob) => {
  const components = job.components.map(({ partition, resources, wallSeconds, unlimited }) => ({
    partition,
    tres: tresOf(resources),
    wall_time: unlimited ? 'UNLIMITED' : wallSeconds === undefined ? 'NOT_SET' : renderDuration(wallSeconds),
  }));
  return {
    account: job.account,
    cluster: job.cluster,
    ...(components.length === 1 ? components[0] : { components }),
    user_id: job.user,
    job_id: job.jobId,
    at: job.submittedAt,
    idempotency_key: `${job.jobId}-${job.submittedAt}`,
    ...(job.arrayTasks > 1 ? { array_tasks: job.arrayTasks } : {}),
  };
};

const eventBody = (job: LoggedJob, event: SacctEvent, hold: string) => ({
  type: event.type,
  cluster: job.cluster,
  job_id: job.jobId,
  at: event.at,
  submitted_at: job.submittedAt,
  started_at: event.startedAt,
  task: event.task,
  transaction_id: hold,
  account: job.account,
  user_id: job.user,
  partition: event.partition,
  end_state: event.endState,
  exit_code: event.exitCode,
  tres: tresOf(event.resources),
  suspended_seconds: event.suspendedSeconds,
});

test('under the terms of the live books a replay decides every job of a log as the API did, word for word', async () => {
  const { jobs } = groupRows(readFileSync(LOG, 'utf8').split('\n'), { timeZone: 'UTC', cluster: 'pinewood' });
  await setUp(new Client({ endpoint: cli.url }), jobs, makePlan(jobs), 'UTC', new Date());
  const proposal = fileWith('live.yaml', (await cli.works('replay', 'template', '--from-live')).out);
  const live = await liveDenials(jobs);
  expect(new Set(live.map(({ code }) => code))).toEqual(new Set(['insufficient_budget', 'partition_limit_exceeded']));

  const before = await cli.api.rowCounts();
  const report = join(folder, 'denied.json');
  const { code, json, err } = await replaying(
    '--proposal',
    proposal,
    '--time-zone',
    'UTC',
    '--report',
    report,
    '--json',
    LOG,
  );
  expect([code, err.includes('cannot')]).toEqual([0, false]);
  const { denied } = JSON.parse(readFileSync(report, 'utf8')) as { denied: Denied[] };
  const plain = ({ job_id, submitted_at, code: why, message }: Denied) => ({
    job_id,
    submitted_at,
    code: why,
    message,
  });
  expect(denied.map(plain)).toEqual(live);

  // And as much is left in the end as the live books have.
  const { proposals } = json as {
    proposals: { accounts: { account: string; settled: string; available: string }[] }[];
  };
  for (const { account, settled, available } of proposals[0]?.accounts ?? []) {
    const { body } = await cli.api.get(`/api/v1/accounts/${account}/balance`);
    expect([account, Number(settled), Number(available)]).toEqual([account, body.settled, body.available]);
  }
  expect(await cli.api.rowCounts()).toEqual(before);
  await expectLeft();
});

const HEADER =
  'JobID|Account|User|Partition|Submit|Start|End|State|NNodes|ReqTRES|AllocTRES|Timelimit|NodeList|JobName';
const row = (id: number, account: string, user: string, submit: string, start: string, end: string) =>
  `${id}|${account}|${user}|cpu|2026-03-02T${submit}|2026-03-02T${start}|2026-03-02T${end}|COMPLETED|1|cpu=1,node=1|cpu=1,node=1|02:00:00|n1|job`;

/** Two hours of one CPU are held as 2.00, and an hour of it costs 1.00. */
const proposalWith = (budget: number) => `
clusters:
  big:
    time_zone: UTC
    hold_multiplier: 1
    rates: [{ resource: cpu, price: 1 }]
accounts:
  lab: { budget: ${budget} }
`;

const SMALL = () =>
  fileWith(
    'small.log',
    [
      HEADER,
      row(1, 'lab', 'eve', '08:00:00', '08:00:00', '09:00:00'),
      row(2, 'lab', 'bob', '08:30:00', '08:30:00', '09:30:00'),
      // At this second the first has just ended, and its rest is free.
      row(3, 'lab', 'bob', '09:00:00', '09:00:00', '10:00:00'),
      row(4, 'nobody', 'bob', '09:00:00', '09:00:00', '10:00:00'),
      '5|lab|bob|cpu|what?|',
    ].join('\n'),
  );

test('a denied job does not run; what it would have cost is left for those behind it', async () => {
  const { code, out, err } = await replaying('--proposal', fileWith('three.yaml', proposalWith(3)), SMALL());
  expect(code).toBe(0);
  expect(out).toContain('Denied: 2 of 4 jobs (50.0 %).');
  expect(out).toMatch(/^lab +3 +1 +2026-03-02 08:30:00 +1\.00 +3\.00 +2\.00 +0\.00 +1\.00 {2}USD$/m);
  expect(out).toMatch(/^nobody +1 +1 .* not in the proposal$/m);
  expect(out).toMatch(/^bob +2 +1 /m);
  expect(err).toContain('line 6: has 6 fields instead of 14');
});

test('a requeue that found no money for another run is counted by what the account would do with its job', async () => {
  const proposal = fileWith(
    'cancel.yaml',
    `${proposalWith(3).trimEnd().slice(0, -2)}, on_requeue_shortfall: cancel }\n`,
  );
  // Two hours hold 2.00 and cost 2.00, so 1.00 is left for a second run that asks for 2.00.
  const failed = row(1, 'lab', 'eve', '08:00:00', '08:00:00', '10:00:00').replace('COMPLETED', 'NODE_FAIL');
  const again = row(1, 'lab', 'eve', '10:00:01', '10:05:00', '10:35:00');
  const log = fileWith('requeued.log', [HEADER, failed, again].join('\n'));
  const { code, out } = await replaying('--proposal', proposal, log);
  expect(code).toBe(0);
  expect(out.replace(/\s+/g, ' ')).toContain(
    'cancel.yaml: 1 requeued job found no money for another full run; the site would cancel them, here they run on (on_requeue_shortfall: cancel).',
  );
  expect(out).toMatch(/^lab +1 +0 .* 2\.50 /m);
  const { json } = await replaying('--proposal', proposal, '--json', log);
  expect((json as { proposals: object[] }).proposals).toEqual([
    expect.objectContaining({ requeue_shortfalls: [{ policy: 'cancel', jobs: 1 }] }),
  ]);
});

test('two proposals stand side by side with the jobs that only one of them denies', async () => {
  const [tight, wide] = [fileWith('tight.yaml', proposalWith(3)), fileWith('wide.yaml', proposalWith(30))];
  const { out } = await replaying('--proposal', tight, '--against', wide, SMALL());
  expect(out).toMatch(/^Denied only there: +1 and 0$/m);
  expect(out).toMatch(/^lab +3 +1 +0 +2\.00 +3\.00 +1\.00 +27\.00 {2}USD$/m);
  expect(out).toMatch(/^2026-03-02 08:30:00 +big\/2 +lab +bob +1 +insufficient_budget$/m);

  const csv = await replaying('--proposal', tight, '--over-time', '--csv', SMALL());
  expect(csv.out.split('\r\n')).toEqual([
    'proposal,account,unit,at,granted,settled,held,available',
    'tight.yaml,lab,USD,2026-03-03T00:00:00Z,3,2,0,1',
    '',
  ]);
});

test('two proposals of one file name are told apart by their paths, and a file beside itself by its number', async () => {
  const [one, two] = ['one', 'two'].map((name, index) => {
    mkdirSync(join(folder, name));
    return fileWith(`${name}/same.yaml`, proposalWith(index === 0 ? 3 : 30));
  }) as [string, string];
  const report = join(folder, 'same.csv');
  for (const [other, names] of [
    [two, [one, two]],
    [one, ['same.yaml (1)', 'same.yaml (2)']],
  ] as const) {
    const command = ['--proposal', one, '--against', other, '--report', report, SMALL()];
    const { json } = await replaying(...command, '--json');
    expect((json as { proposals: { proposal: string }[] }).proposals.map(({ proposal }) => proposal)).toEqual(names);
    const reported = readFileSync(report, 'utf8').trim().split('\n').slice(1);
    expect(new Set(reported.map((line) => line.split(',')[0]))).toEqual(new Set(names));
  }
});

test('a row with a NUL is named and left out, and a folder is no log', async () => {
  const proposal = fileWith('nul.yaml', proposalWith(10));
  const [one, two] = [1, 2].map((id) => row(id, 'lab', 'eve', '08:00:00', '08:00:00', '09:00:00'));
  const log = fileWith('nul.log', [HEADER, one, two?.replace('eve', 'e\0ve')].join('\n'));
  expect(await replaying('--proposal', proposal, log)).toMatchObject({
    code: 0,
    out: expect.stringContaining('1 job in 1 row'),
    err: expect.stringContaining('line 3: has a NUL'),
  });
  const folder = dirname(log);
  expect(await replaying('--proposal', proposal, folder)).toMatchObject({ code: 2, err: `${folder} is a folder.\n` });
});

test('a log may be gzipped; one that is cut off, or of other columns, or JSON, is said to be so', async () => {
  const proposal = fileWith('packed.yaml', proposalWith(10));
  const packed = gzipSync(readFileSync(SMALL()));
  const gz = (name: string, bytes: Buffer) => {
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };
  const marked = ['bom.yaml', proposalWith(10)] as const;
  expect(
    await replaying(
      '--proposal',
      fileWith(marked[0], `\ufeff${marked[1]}`),
      fileWith('bom.log', `\ufeff${readFileSync(SMALL(), 'utf8')}`),
      '--json',
    ),
  ).toMatchObject({ code: 0, json: { log: { jobs: 4 } } });
  const whole = await replaying('--proposal', proposal, gz('whole.log.gz', packed), '--json');
  expect(whole.json).toEqual((await replaying('--proposal', proposal, SMALL(), '--json')).json);
  for (const [log, words] of [
    [gz('cut.log.gz', packed.subarray(0, packed.length - 20)), /cut\.log\.gz is gzip that is broken or cut off/],
    [
      fileWith('unpaid.log', 'JobID|Acount|Submit|Start|End|State\n'),
      /line 1: the heading has no column Account, Partition \("acount" may be Account\)/,
    ],
    [fileWith('jobs.json', '{"jobs": []}'), /jobs\.json is JSON; this takes the text of `sacct -P`/],
    [fileWith('empty.log', '\n'), /empty\.log is empty/],
  ] as const) {
    expect(await replaying('--proposal', proposal, log)).toMatchObject({ code: 2, err: expect.stringMatching(words) });
  }
  await expectLeft();
});

test('what is given as a proposal and is none is called what it is', async () => {
  for (const [text, words] of [
    [readFileSync(SMALL(), 'utf8'), /is a log of sacct, and no proposal\.\n.*The proposal belongs behind --proposal/],
    ['climate gets 100', /it is text, beginning with "climate gets 100"; expected are clusters and accounts, by name/],
    ['- 1\n', /it is a list, beginning with "- 1"/],
    ['# nothing\n', /the file is empty/],
  ] as const) {
    const refused = await replaying('--proposal', fileWith('no-proposal', text), fileWith('p.yaml', proposalWith(10)));
    expect(refused).toMatchObject({ code: 2, err: expect.stringMatching(words) });
  }
});

test('every mistake of a proposal is named with its place, and nothing is replayed', async () => {
  const file = fileWith(
    'wrong.yaml',
    `
clusters:
  big:
    time_zone: Chicago
    rates: [{ resource: disk, price: 1 }, { resource: cpu }]
accounts:
  lab: { budgte: 10, parent: nowhere }
  web: { budget: -1, start: 2026-02-30 }
`,
  );
  const { code, err } = await replaying('--proposal', file, SMALL());
  expect(code).toBe(2);
  for (const line of [
    'clusters.big.time_zone: "Chicago" is not an IANA time zone',
    'clusters.big.rates.0.resource: must be node, cpu, mem, gpu or gpu:<model>',
    'accounts.lab.budgte: is not known; did you mean "budget"?',
    'accounts.web.budget: must not be negative',
  ]) {
    expect(err).toContain(line);
  }
  const cross = await replaying(
    '--proposal',
    fileWith(
      'cross.yaml',
      'clusters: { big: { time_zone: UTC, rates: [{ resource: cpu }] } }\naccounts: { lab: { parent: nowhere, start: 2026-02-30 }, a: { parent: b }, b: { parent: a } }',
    ),
    SMALL(),
  );
  for (const line of [
    'clusters.big.rates.0.price: give either price',
    'accounts.lab.parent: "nowhere" is no account of this proposal',
    'accounts.lab.start: "2026-02-30" is not a day',
    'accounts.a.parent: the parents go round in a circle',
  ]) {
    expect(cross.err).toContain(line);
  }
  await expectLeft();
});

test('mistakes of fields and mistakes between fields are told in one round, and none that only follows from another', async () => {
  const rate = '{ resource: cpu, price: 1, start: 2026-01-01 }';
  const { code, err } = await replaying(
    '--proposal',
    fileWith(
      'both.yaml',
      `
clusters:
  big: { time_zone: Chicago, rates: [${rate}, ${rate}, { resource: gpu, prise: 2 }, { resource: disk, price: x }, { resource: mem }] }
accounts:
  a/b: { budget: ten }
  low: { parent: nope, start: 2026-13-01, status: dead }
  up: { unit: '?', parent: down, limits: [{ limit: 1 }, { usr: eve, limit: 1 }, { user: bob }] }
  down: { unit: SU, parent: up, start: 2026-02-01, end: 2026-01-01, budget: [] }
  odd: 5
`,
    ),
    SMALL(),
  );
  expect(code).toBe(2);
  const told = err
    .split('\n')
    .slice(1)
    .flatMap((line) => /^ {2}((?:clusters|accounts)\.\S+): /.exec(line)?.[1] ?? []);
  expect(told.sort()).toEqual([
    'accounts.a/b',
    'accounts.a/b.budget',
    'accounts.down.budget',
    'accounts.down.end',
    'accounts.down.parent',
    'accounts.low.parent',
    'accounts.low.start',
    'accounts.low.status',
    'accounts.odd',
    'accounts.up.limits.0',
    'accounts.up.limits.1.usr',
    'accounts.up.limits.2.limit',
    'accounts.up.parent',
    'accounts.up.unit',
    'clusters.big.rates.1',
    'clusters.big.rates.2.prise',
    'clusters.big.rates.3.price',
    'clusters.big.rates.3.resource',
    'clusters.big.rates.4.price',
    'clusters.big.time_zone',
  ]);
});

test('the template is a proposal that can be replayed', async () => {
  const { out } = await cli.works('replay', 'template');
  const { code, err } = await replaying('--proposal', fileWith('template.yaml', out), '--cluster', 'pinewood', LOG);
  expect([code, err]).toEqual([0, expect.not.stringContaining('mistake')]);
});

test('what a killed replay left behind is dropped by the next one, and a running one is left alone', async () => {
  const { sql, database } = cli.api;
  const [dead, alive] = ['bursar_replay_60000000000000aa', 'bursar_replay_60000000000000bb'];
  await sql.unsafe(`create database ${dead}`);
  const owner = connectPostgres({
    url: Object.assign(new URL(database.url), { pathname: `/${alive}` }).toString(),
    poolSize: 1,
  });
  await eventually('somebody is connected to the one', async () => {
    // A replay of another suite takes it for dead until somebody is.
    await sql.unsafe(`create database ${alive}`).catch(() => undefined);
    return (await owner`select 1`).length === 1;
  });
  try {
    expect((await replaying('--proposal', fileWith('ten.yaml', proposalWith(10)), SMALL())).code).toBe(0);
    await expectLeft(alive);
  } finally {
    await owner.end({ timeout: 5 });
    await sql.unsafe(`drop database ${alive} with (force)`);
  }
});
