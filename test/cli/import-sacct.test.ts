/** `bursar import sacct`: what a site with years of accounting types. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { renderAmount } from '../../domain/money';
import { exactOf } from '../../domain/usage-report';
import { PACKAGE_ROOT } from '../../platform/paths';
import { ensureBuilt } from '../helpers/built';
import type { TestDatabase } from '../helpers/database';
import { eventually } from '../helpers/eventually';
import { CALLER, openJobsHouse, usd, type JobsHouse } from '../ledger/jobs-house';
import { runBursar } from './helpers/cli';

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'bursar-sacct-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const fileOf = (content: string | Buffer, name = 'sacct.log'): string => {
  const file = join(folder, name);
  writeFileSync(file, content);
  return file;
};

const importing = ({ url }: Pick<TestDatabase, 'url'>, content: string | Buffer, ...args: string[]) =>
  runBursar(['import', 'sacct', fileOf(content), '--cluster', 'hpc', '--database-url', url, ...args]);

const HEADER = 'JobID|Cluster|Partition|Account|User|Submit|Start|End|Elapsed|State|AllocTRES|NodeList|JobIDRaw';

interface Row {
  id: string;
  raw?: string;
  cluster?: string;
  account?: string;
  partition?: string;
  user?: string;
  submit?: string;
  start?: string;
  end?: string;
  elapsed?: string;
  state?: string;
  tres?: string;
  nodes?: string;
}

/** An hour of two nodes and eight CPUs at noon of 2 March, unless the changes say otherwise. */
const row = ({
  id,
  cluster = 'hpc',
  account = 'physics',
  partition = 'batch',
  user = 'rkaur',
  state = 'COMPLETED',
  ...more
}: Row): string =>
  [
    id,
    cluster,
    partition,
    account,
    user,
    more.submit ?? '2026-03-02T11:00:00',
    more.start ?? '2026-03-02T12:00:00',
    more.end ?? '2026-03-02T13:00:00',
    more.elapsed ?? '',
    state,
    more.tres ?? 'billing=8,cpu=8,mem=16G,node=2',
    more.nodes ?? 'n[1-2]',
    more.raw ?? '',
  ].join('|');

const log = (...rows: Row[]): string => [HEADER, ...rows.map(row), ''].join('\n');

const MARCH = { from: '2026-03-01', to: '2026-03-31' };

/** Jobs, CPU-seconds, GPU-seconds, money and jobs without hours of that month. */
async function used({ ledger }: JobsHouse) {
  const { total } = await ledger.usage.report({ period: MARCH, cluster: 'hpc' }, { limit: 1 });
  const { cpu, gpu } = total.seconds;
  return [total.jobs, exactOf(cpu), exactOf(gpu), renderAmount(total.amount), total.unmetered];
}

const EVERYTHING = [
  { id: '100' },
  { id: '100.batch', account: 'physics' },
  { id: '100.extern', account: 'physics' },
  // Requeued: the first run, and the one after it. Then the id is given out again.
  { id: '101', state: 'REQUEUED', end: '2026-03-02T12:30:00' },
  { id: '101', start: '2026-03-02T14:00:00', end: '2026-03-02T14:30:00' },
  { id: '101', submit: '2026-03-09T11:00:00', start: '2026-03-09T12:00:00', end: '2026-03-09T12:15:00' },
  { id: '102_7', state: 'FAILED' },
  { id: '102_[8-20%2]', state: 'PENDING', start: 'Unknown', end: 'Unknown', tres: '', nodes: 'None assigned' },
  { id: '103+1', state: 'TIMEOUT' },
  { id: '104', state: 'CANCELLED by 4711', nodes: 'None assigned', tres: '' },
  { id: '105', state: 'RUNNING', end: 'Unknown' },
  { id: '106', state: 'REVOKED' },
  { id: '107', cluster: 'elsewhere' },
  { id: '108', account: 'unheard' },
  { id: '109', end: 'yesterday' },
];

test('a dry run says what there is and changes nothing; --apply keeps the runs; the same log again is passed over', async () => {
  await using house = await openJobsHouse();
  const report = join(folder, 'report.csv');
  const dry = await importing(house, log(...EVERYTHING), '--report', report);
  expect(dry).toMatchObject({ code: 0 });
  for (const words of [
    /What would be imported: 6 runs/,
    /Rows: +15\n/,
    /Steps: +2,/,
    /Waiting: +1,/,
    /Never ran: +1,/,
    /Still running: +1, left out until their end is known/,
    /Revoked: +1,/,
    /Other clusters: +1, left out: elsewhere/,
    /Unreadable: +1,/,
    /unheard +1\n/,
    /CPU-hours: +34\n/,
    /Nothing was changed\./,
  ]) {
    expect(dry.out).toMatch(words);
  }
  expect(readFileSync(report, 'utf8')).toMatch(
    /unreadable,16,,,"line 16: column End: ""yesterday"" is not a local time[\s\S]*unknown_account,15,,unheard,/,
  );
  expect(await used(house)).toEqual([0, '0', '0', '0', 0]);

  const clean = log(...EVERYTHING.slice(0, 13));
  expect((await importing(house, clean, '--apply')).out).toContain('Imported: 6 runs.');
  const half = 8 * 1800;
  expect(await used(house)).toEqual([6, String(2 * half * 3 + 2 * half + half / 2), '0', '0', 0]);
  expect((await importing(house, clean, '--apply')).out).toMatch(
    /Imported: 0 runs\.[\s\S]*Rows: +13, of them 13 done before[\s\S]*Imported before: +6\n/,
  );
  // What cannot be read is said again each time, and an account that there is by then gets its runs.
  await house.ledger.accounts.create(
    { name: 'unheard', unit: 'USD', title: 'New', startsAt: '2026-01-01T00:00:00Z', endsAt: '2027-01-01T00:00:00Z' },
    CALLER,
  );
  const whole = await importing(house, log(...EVERYTHING), '--apply', '--json');
  expect(whole.json).toMatchObject({ new_runs: 1, unreadable: 1, unknown_accounts: [] });
  expect(await house.ledger.audit.run()).toMatchObject({ ok: true });
});

test('a log that overlaps with an earlier one, or names a run twice, adds what is new', async () => {
  await using house = await openJobsHouse();
  expect((await importing(house, log({ id: '3' }), '--apply', '--json')).json).toMatchObject({ new_runs: 1 });
  const rows = [{ id: '1' }, { id: '2' }, { id: '2', tres: 'cpu=64,mem=16G,node=2' }, { id: '3' }, { id: '4' }];
  expect((await importing(house, log(...rows), '--apply', '--json')).json).toMatchObject({ runs: 5, new_runs: 3 });
  // The first record of a run wins.
  expect(await used(house)).toEqual([4, String(4 * 8 * 3600), '0', '0', 0]);
});

test('accounts are mapped, left out or made with a budget, as the site says', async () => {
  await using house = await openJobsHouse();
  const map = fileOf('slurm_account,account\nphys,physics\ntest,\n', 'map.csv');
  const text = log({ id: '1', account: 'phys' }, { id: '2', account: 'test' }, { id: '3', account: 'optics' });
  const create = ['--new-accounts', 'create', '--start', '2026-01-01', '--end', '2026-12-31', '--budget', '250'];
  const args = ['--account-map', map, ...create];
  expect((await importing(house, text, ...args)).out).toMatch(/Accounts that would be made: 1\noptics\./);
  expect((await importing(house, text, ...args, '--apply', '--json')).json).toMatchObject({
    new_runs: 2,
    left_out: 1,
    new_accounts: ['optics'],
  });
  const { granted, startsAt } = await house.ledger.accounts.read('optics');
  expect([renderAmount(granted), startsAt]).toEqual(['250', '2026-01-01T00:00:00Z']);
  expect((await importing(house, text, ...args, '--apply', '--json')).json).toMatchObject({ rows_done_before: 3 });

  const wrong = await importing(house, text, '--new-accounts', 'create', '--since', '7d', '--chunk-hours', '0');
  expect(wrong).toMatchObject({ code: 2 });
  for (const words of ['--since and --until are for --live', '--chunk-hours takes', '--start and --end']) {
    expect(wrong.err).toContain(words);
  }
});

describe('a run that Bursar charges by itself is counted once', () => {
  const told = {
    submittedAt: '2026-03-02T11:00:00Z',
    resources: { nodes: 2, cpus: 8, gpus: 0, gpusByModel: {}, memoryMib: 0 },
  };

  async function charge(house: JobsHouse, at = '2026-03-02T12:00:00Z'): Promise<void> {
    const holdId = await house.hold({}, { at: '2026-03-02T11:00:00Z' });
    await house.say({ type: 'started', holdId, at, ...told });
    await house.say({ type: 'ended', at: '2026-03-02T13:00:00Z', startedAt: at, endState: 'COMPLETED', ...told });
    await house.advance(holdId);
  }

  const imported = log({ id: '4711' });

  test('when it was charged before the import', async () => {
    await using house = await openJobsHouse();
    await charge(house);
    const before = await used(house);
    expect(before[0]).toBe(1);
    expect((await importing(house, imported, '--apply')).out).toMatch(/With a charge: +1, which is what reports count/);
    expect(await used(house)).toEqual(before);
  });

  test('when it is charged after it, by a clock that is a little off', async () => {
    await using house = await openJobsHouse();
    await importing(house, imported, '--apply');
    expect(await used(house)).toEqual([1, '28800', '0', '0', 0]);
    await charge(house, '2026-03-02T12:00:09Z');
    expect(await used(house)).toEqual([1, String(8 * 3591), '0', '1.995', 0]);
  });

  test('and when only its cost was known, the import brings the hours', async () => {
    await using house = await openJobsHouse();
    const holdId = await house.hold({}, { at: '2026-03-02T11:00:00Z' });
    await house.say({ type: 'submitted', holdId, at: '2026-03-02T11:00:00Z', ...told });
    const cost = { jobId: '4711', cluster: 'hpc', numeral: '3', actualCost: usd('3'), correction: false };
    await house.ledger.jobs.reconcile(cost, CALLER);
    expect((await used(house)).slice(1)).toEqual(['0', '0', '3', 1]);
    await importing(house, imported, '--apply');
    expect(await used(house)).toEqual([1, '28800', '0', '3', 0]);
    expect(await house.ledger.audit.run()).toMatchObject({ ok: true });
  });

  /** The log calls the job 123+1; hooks call it by its own id, and other reporters as the log does. */
  const names = {
    'by its own id': { jobId: '124' },
    'as a part of its job': { jobId: '123', task: '+1' },
  };
  const logs = {
    'a log with JobIDRaw': log({ id: '123+1', raw: '124' }),
    'a log without it': log({ id: '123+1' }),
  };
  const noon = { submittedAt: '2026-03-02T11:00:00Z', startedAt: '2026-03-02T12:00:00Z' };
  const cases = Object.entries(names).flatMap(([how, name]) =>
    Object.entries(logs).map(([which, text]) => ({ how, name, which, text })),
  );

  test.each(cases)('a component of a heterogeneous job that is followed $how, with $which', async ({ name, text }) => {
    await using house = await openJobsHouse();
    const holdId = await house.hold({}, { at: '2026-03-02T11:00:00Z' });
    await house.say({ type: 'started', holdId, at: noon.startedAt, ...name, ...told, ...noon });
    const charging = async () => (await importing(house, text, '--charge', '--apply', '--json')).json;
    expect(await charging()).toMatchObject({ late_charges: { runs: 0, left_to_their_holds: 1 } });
    await house.say({ type: 'ended', at: '2026-03-02T13:00:00Z', endState: 'COMPLETED', ...name, ...told, ...noon });
    await house.advance(holdId);
    const once = [1, '28800', '0', '2', 0];
    expect(await used(house)).toEqual(once);
    // Other logs may have other names for it.
    for (const again of [text, ...Object.values(logs)]) {
      expect((await importing(house, again, '--charge', '--apply')).code).toBe(0);
      expect(await used(house)).toEqual(once);
    }
    expect(await house.ledger.audit.run()).toMatchObject({ ok: true });
  });

  test.each(cases)('and one that was charged $how before it is imported from $which', async ({ name, text }) => {
    await using house = await openJobsHouse();
    const holdId = await house.hold({}, { at: '2026-03-02T11:00:00Z' });
    await house.say({
      type: 'ended',
      holdId,
      at: '2026-03-02T13:00:00Z',
      endState: 'COMPLETED',
      ...name,
      ...told,
      ...noon,
    });
    await house.advance(holdId);
    expect((await importing(house, text, '--charge')).out).toMatch(/With a charge: +1,/);
    await importing(house, text, '--charge', '--apply');
    expect(await used(house)).toEqual([1, '28800', '0', '2', 0]);
  });

  test('what nobody can be sure of is not charged: a component without its own id, of a job that had a hold', async () => {
    await using house = await openJobsHouse();
    const holdId = await house.hold({}, { at: '2026-03-02T11:00:00Z' });
    const end = { holdId, jobId: '123', at: '2026-03-02T13:00:00Z', ...told, ...noon };
    await house.say({ type: 'ended', endState: 'COMPLETED', ...end });
    await house.advance(holdId);
    const charging = async (id: Row) => (await importing(house, log(id), '--charge', '--apply', '--json')).json;
    expect(await charging({ id: '123+1' })).toMatchObject({ late_charges: { runs: 0, left_to_their_holds: 1 } });
    expect(await charging({ id: '123+1', raw: '126' })).toMatchObject({ late_charges: { runs: 1 } });
    expect(await used(house)).toEqual([2, '57600', '0', '4', 0]);
    await charging({ id: '123+1' });
    expect(await used(house)).toEqual([2, '57600', '0', '4', 0]);
  });

  test('and a task of an array, by the name of its array', async () => {
    await using house = await openJobsHouse();
    const holdId = await house.hold({}, { at: '2026-03-02T11:00:00Z' });
    const task = { jobId: '123', task: '4', ...told, ...noon };
    await house.say({ type: 'ended', holdId, at: '2026-03-02T13:00:00Z', endState: 'COMPLETED', ...task });
    await house.advance(holdId);
    await importing(house, log({ id: '123_4', raw: '127' }), '--charge', '--apply');
    expect(await used(house)).toEqual([1, '28800', '0', '2', 0]);
  });
});

test('--charge charges each run once, at the rates of its time; who has a hold is left to it, and what has no price is listed', async () => {
  await using house = await openJobsHouse();
  const { ledger } = house;
  await ledger.catalog.setRate(
    {
      cluster: 'hpc',
      resource: 'node',
      unit: 'USD',
      rate: usd('3'),
      startsAt: '2026-03-02T12:30:00Z',
      endsAt: null,
      source: 'dearer',
    },
    CALLER,
  );
  const holdId = await house.hold({}, { at: '2026-03-02T11:00:00Z' });
  await house.say({ type: 'submitted', holdId, submittedAt: '2026-03-02T11:00:00Z', at: '2026-03-02T11:00:00Z' });
  const gpus = 'cpu=8,gres/gpu:h100=2,mem=16G,node=2';
  const text = log({ id: '1' }, { id: '2', tres: gpus }, { id: '4711' }, { id: '5', user: 'root' });
  const report = join(folder, 'prices.json');

  const dry = await importing(house, text, '--charge', '--report', report);
  expect(dry.out).toMatch(/To be charged: +4\.00 USD/);
  expect(dry.out).toMatch(/Left to their holds: +1,/);
  expect(readFileSync(report, 'utf8')).toMatch(
    /"unpriced","line":"3","job_id":"2","account":"physics","detail":"gpu:h100 has no rate/,
  );
  expect((await used(house))[3]).toBe('0');

  const applied = await importing(house, text, '--charge', '--apply', '--json');
  expect(applied.json).toMatchObject({
    new_runs: 4,
    unpriced: 1,
    late_charges: { runs: 1, left_to_their_holds: 1, exempt: 1 },
  });
  expect(await used(house)).toEqual([4, '115200', '7200', '4', 0]);
  await importing(house, text, '--charge', '--apply');
  expect((await used(house))[3]).toBe('4');

  await ledger.catalog.setRate(
    {
      cluster: 'hpc',
      resource: 'gpu:h100',
      unit: 'USD',
      rate: usd('10'),
      startsAt: '2026-01-01T00:00:00Z',
      endsAt: null,
      source: 'test',
    },
    CALLER,
  );
  const again = await importing(house, text, '--charge', '--apply', '--json');
  expect(again.json).toMatchObject({ late_charges: { runs: 1, totals: [{ unit: 'USD', amount: '24' }] } });
  expect((await used(house))[3]).toBe('28');
  expect(await ledger.audit.run()).toMatchObject({ ok: true, findings: [] });
});

test('--charge knows what is exempt as the hooks do: by the default partition, and without an account', async () => {
  const settings = { timeZone: 'UTC', defaultPartition: 'free', withoutAccount: 'exempt' as const };
  await using house = await openJobsHouse({ cluster: settings });
  await house.ledger.catalog.putPartition('hpc', { name: 'free', queueWeight: '1', exempt: true }, CALLER);
  const map = fileOf('slurm_account,account\n,physics\n', 'nameless.csv');
  const text = log({ id: '1', partition: '' }, { id: '2', account: '' }, { id: '3' });
  const answer = await importing(house, text, '--charge', '--account-map', map, '--apply', '--json');
  expect(answer.json).toMatchObject({ new_runs: 3, late_charges: { runs: 1, exempt: 2 } });
});

test('--charge looks again at runs that were exempt, once they no longer are', async () => {
  await using house = await openJobsHouse({ cluster: { exemptUsers: ['tester'] } });
  const text = log({ id: '1', user: 'tester' }, { id: '2' });
  const charging = async () => (await importing(house, text, '--charge', '--apply', '--json')).json;
  expect(await charging()).toMatchObject({ late_charges: { runs: 1, exempt: 1 } });
  expect(await charging()).toMatchObject({ rows_done_before: 2 });
  await house.ledger.catalog.putCluster('hpc', { timeZone: 'UTC', exemptUsers: [] }, CALLER);
  expect(await charging()).toMatchObject({ rows_done_before: 0, late_charges: { runs: 1, exempt: 0 } });
  expect((await used(house))[3]).toBe('4');
});

test('days that were added up say the same as the runs, in every grouping, and after a run was charged by itself', async () => {
  await using house = await openJobsHouse({ cluster: { timeZone: 'America/New_York' } });
  const { ledger, sql } = house;
  // Over days, over the night in which the clocks are set, up to midnight, of no length, and suspended.
  await importing(
    house,
    log(
      { id: '1', start: '2026-03-06T18:00:00', end: '2026-03-09T06:00:00' },
      { id: '2', start: '2026-03-08T00:00:00', end: '2026-03-09T00:00:00', user: 'omar', elapsed: '20:00:00' },
      { id: '3', start: '2026-03-08T12:00:00', end: '2026-03-08T12:00:00' },
      {
        id: '4',
        start: '2026-03-10T12:00:00',
        end: '2026-03-12T13:00:01',
        tres: 'cpu=3,gres/gpu=1,mem=1G,node=1',
        elapsed: '1-00:00:07',
      },
      { id: '4711', start: '2026-03-07T12:00:00', end: '2026-03-11T13:00:00' },
    ),
    '--apply',
  );
  const periods = [MARCH, { from: '2026-03-08', to: '2026-03-10' }, { from: '2026-03-01', to: '2030-01-01' }];
  const reports = async () => {
    const all = [];
    for (const groupBy of ['day', 'week', 'user', 'partition', undefined] as const) {
      for (const period of periods) {
        if (period.to > '2028' && groupBy === 'day') continue;
        const asked = { period, ...(groupBy && { groupBy }) };
        const { total, rows } = await ledger.usage.report(asked, { limit: 1000 });
        all.push({ asked, total, rows });
      }
    }
    return all;
  };
  const same = async () => {
    const byDays = await reports();
    await sql`update ledger.imported_clusters set stale_from = '2026-01-01', stale_until = '2026-01-01'`;
    expect(byDays).toEqual(await reports());
    await sql`update ledger.imported_clusters set stale_from = null, stale_until = null`;
    return byDays[0]?.total.jobs;
  };
  expect(await same()).toBe(5);
  const holdId = await house.hold({}, { at: '2026-03-07T16:00:00Z' });
  const told = { holdId, submittedAt: '2026-03-02T16:00:00Z', startedAt: '2026-03-07T17:00:00Z' };
  await house.say({ type: 'ended', at: '2026-03-11T17:00:00Z', ...told });
  await house.advance(holdId);
  expect(await same()).toBe(5);
  const [row] = await sql<{ jobs: bigint }[]>`select sum(jobs)::bigint as jobs from ledger.imported_days`;
  expect(row?.jobs).toBe(4n);
  // It is the days that are read: a mistake in them shows.
  await sql`update ledger.imported_days set jobs = jobs + 10 where on_day = '2026-03-08'`;
  expect((await used(house))[0]).toBe(25);
});

test('months are added up side by side, and a charge of one of their runs waits, so that its run leaves the days', async () => {
  await using house = await openJobsHouse({});
  const { sql } = house;
  const april = { submit: '2026-04-02T16:00:00', start: '2026-04-07T17:00:00', end: '2026-04-11T17:00:00' };
  const march = { submit: '2026-03-02T16:00:00', start: '2026-03-07T17:00:00', end: '2026-03-11T17:00:00' };
  await importing(house, log({ id: '4711', ...march }, { id: '2', ...april }), '--apply');
  const holdId = await house.hold({}, { at: '2026-03-07T16:00:00Z' });
  const told = { holdId, submittedAt: '2026-03-02T16:00:00Z', startedAt: '2026-03-07T17:00:00Z' };
  await house.say({ type: 'ended', at: '2026-03-11T17:00:00Z', ...told });
  const [cluster] = await sql<{ no: number }[]>`select cluster_no as no from ledger.imported_clusters`;
  let charged: Promise<unknown> = Promise.resolve();
  await sql.begin(async (tx) => {
    await tx`select ledger.add_up_days(${cluster?.no ?? 0}, '2026-03-01', '2026-04-01')`;
    await sql`select ledger.add_up_days(${cluster?.no ?? 0}, '2026-04-01', '2026-05-01')`;
    charged = house.advance(holdId);
    await eventually('the charge waits', async () => {
      const waiting = await sql`
        select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
      return waiting.length === 1;
    });
  });
  await charged;
  const [row] = await sql<{ jobs: bigint }[]>`select sum(jobs)::bigint as jobs from ledger.imported_days`;
  expect(row?.jobs).toBe(1n);
});

test('while a job is suspended its CPUs do not count, and its GPUs do', async () => {
  await using house = await openJobsHouse();
  await importing(house, log({ id: '1', elapsed: '00:45:00', tres: 'cpu=8,gres/gpu=2,mem=16G,node=2' }), '--apply');
  expect(await used(house)).toEqual([1, String(8 * 2700), String(2 * 3600), '0', 0]);
});

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
  const missing = ['import', 'sacct', join(folder, 'nowhere.log'), '--cluster', 'hpc', '--database-url', house.url];
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
  const program = join(folder, 'sacct');
  const asked = join(folder, 'asked');
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

test('killed in the middle it goes on where it was; what comes through standard input is the same log', async () => {
  ensureBuilt();
  await using house = await openJobsHouse();
  const rows = 60_000;
  const filler = 'n'.repeat(180);
  const lines = Array.from({ length: rows }, (_, n) => row({ id: String(1 + n), nodes: filler }));
  const text = `${HEADER}\n${lines.join('\n')}\n`;
  const file = fileOf(text, 'large.log');
  const command = (path: string) => [
    join(PACKAGE_ROOT, 'bin/bursar.js'),
    ...['import', 'sacct', path, '--cluster', 'hpc', '--database-url', house.url, '--apply', '--json'],
  ];
  const child = spawn(process.execPath, command(file), { stdio: 'ignore' });
  const chunks = async () => {
    const [counted] = await house.sql<{ count: number }[]>`select count(*)::int as count from ledger.imported_chunks`;
    return counted?.count ?? 0;
  };
  await eventually('the first chunk is kept', async () => (await chunks()) > 0, 60_000);
  child.kill('SIGKILL');
  await once(child, 'exit');
  const kept = await chunks();

  const again = spawn(process.execPath, command('-'), { stdio: ['pipe', 'pipe', 'ignore'] });
  again.stdin.end(text);
  let out = '';
  again.stdout.setEncoding('utf8').on('data', (some: string) => (out += some));
  await once(again, 'close');
  const answer = JSON.parse(out) as { rows: number; rows_done_before: number };
  expect(answer.rows).toBe(rows);
  expect(answer.rows_done_before).toBeGreaterThan(0);
  expect(answer.rows_done_before).toBeLessThan(rows);
  expect(kept).toBeGreaterThan(0);
  expect((await used(house)).slice(0, 2)).toEqual([rows, String(rows * 28_800)]);
}, 120_000);
