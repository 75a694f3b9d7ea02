/** `bursar import sacct`: what comes in, once, and what reports make of it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { renderAmount } from '../../domain/money';
import { openUsage } from '../../ledger/usage';
import { PACKAGE_ROOT } from '../../platform/paths';
import { connectPostgres } from '../../platform/postgres';
import { ensureBuilt } from '../helpers/built';
import { eventually } from '../helpers/eventually';
import { CALLER, openJobsHouse } from '../ledger/jobs-house';
import { EVERYTHING, HEADER, log, MARCH, openSacctFolder, row, used } from './helpers/sacct-log';

const { fileOf, importing, inFolder } = openSacctFolder();

test('a dry run says what there is and changes nothing; --apply keeps the runs; the same log again is passed over', async () => {
  await using house = await openJobsHouse();
  const report = inFolder('report.csv');
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
  expect((await importing(house, log(...rows), '--apply', '--json')).json).toMatchObject({
    runs: 4,
    repeated_rows: 1,
    new_runs: 3,
  });
  // The first record of a run wins.
  expect(await used(house)).toEqual([4, String(4 * 8 * 3600), '0', '0', 0]);
});

test('accounts are mapped, left out or made with a budget, as the site says', async () => {
  await using house = await openJobsHouse();
  const map = fileOf('slurm_account,account\nphys,physics\ntest,\n', 'map.csv');
  const text = log({ id: '1', account: 'phys' }, { id: '2', account: 'test' }, { id: '3', account: 'optics' });
  const create = ['--new-accounts', 'create', '--start', '2026-01-01', '--end', '2098-12-31', '--budget', '250'];
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

test('a report of a century costs what was used in it, not what its days are', async () => {
  await using house = await openJobsHouse();
  await importing(
    house,
    log({ id: '1' }, { id: '2', start: '2026-03-10T12:00:00', end: '2026-03-11T13:00:00' }),
    '--apply',
  );
  const sql = connectPostgres({ url: house.url, poolSize: 1 });
  await sql`set track_functions = 'all'`;
  const { report } = openUsage({ sql, serverZone: 'UTC' });
  const { total } = await report({ period: { from: '1960-01-01', to: '2100-01-01' } }, { limit: 1 });
  expect(total.jobs).toBe(2);
  await sql.end(); // What a connection has counted is seen when it ends.
  const midnights = await eventually('the midnights that were looked for are counted', async () => {
    const [row] = await house.sql<{ calls: number }[]>`
      select calls::int from pg_stat_user_functions where funcname = 'day_starts_at'`;
    return row;
  });
  expect(midnights.calls).toBeLessThan(10);
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
  // The rest of the log does not come, so that it cannot be through before it is killed.
  const child = spawn(process.execPath, command('-'), { stdio: ['pipe', 'ignore', 'ignore'] });
  child.stdin.on('error', () => undefined).write(text.slice(0, text.length / 2));
  const chunks = async () => {
    const [counted] = await house.sql<{ count: number }[]>`select count(*)::int as count from ledger.imported_chunks`;
    return counted?.count ?? 0;
  };
  await eventually('the first chunk is kept', async () => (await chunks()) > 0);
  child.kill('SIGKILL');
  await once(child, 'exit');
  const kept = await chunks();

  const again = spawn(process.execPath, command(file), { stdio: ['ignore', 'pipe', 'ignore'] });
  let out = '';
  again.stdout.setEncoding('utf8').on('data', (some: string) => (out += some));
  await once(again, 'close');
  const answer = JSON.parse(out) as { rows: number; rows_done_before: number };
  expect(answer.rows).toBe(rows);
  expect(answer.rows_done_before).toBeGreaterThan(0);
  expect(answer.rows_done_before).toBeLessThan(rows);
  expect(kept).toBeGreaterThan(0);
  expect((await used(house)).slice(0, 2)).toEqual([rows, String(rows * 28_800)]);
});
