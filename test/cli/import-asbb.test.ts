/** `bursar import asbb`: what a site that leaves ASBB types. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toMicro } from '../../domain/money';
import { openLedger } from '../../ledger';
import { PACKAGE_ROOT } from '../../platform/paths';
import { openAsbb, type Asbb } from '../helpers/asbb-database';
import { ensureBuilt } from '../helpers/built';
import { freshDatabase, type TestDatabase } from '../helpers/database';
import { eventually } from '../helpers/eventually';
import { runBursar } from './helpers/cli';

let asbb: Asbb;
let folder: string;

beforeAll(async () => {
  ensureBuilt();
  folder = mkdtempSync(join(tmpdir(), 'bursar-import-'));
  asbb = await openAsbb();
  await asbb.account('climate', { limit: '100.00' });
  await asbb.account('quiet', { limit: '5.00', status: 'suspended' });
  await asbb.job('climate', { jobId: '1', held: '30.00', at: '2026-02-01T00:00:00Z', cost: '12.50', refund: '17.50' });
  await asbb.job('climate', { jobId: '2', held: '20.00', at: '2026-02-02T00:00:00Z' });
  await asbb.sql`insert into grant_accounts (grant_number, funding_agency, total_award_amount) values ('NSF-1', 'NSF', 750000)`;
  await asbb.sql`
    insert into budget_allocation_schedules (account_id, total_budget, allocation_amount, allocation_frequency, next_allocation_date)
    values (1, 1200, 100, 'monthly', '2026-03-01')`;
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await asbb[Symbol.asyncDispose]();
});

async function openHouse(): Promise<TestDatabase> {
  const database = await freshDatabase();
  await database.sql`insert into ledger.clusters (name, time_zone) values ('default', 'UTC')`;
  return database;
}

const importing = ({ url }: TestDatabase, from: string, ...args: string[]) =>
  runBursar(['import', 'asbb', from, '--database-url', url, ...args]);

test('a dry run says everything and changes nothing; --apply books it; again it is no news', async () => {
  await using house = await openHouse();
  const { accounts, audit } = openLedger(house.sql);
  const [csv, json] = [join(folder, 'report.csv'), join(folder, 'report.json')];
  const dry = await importing(house, asbb.url, '--report', csv);
  expect(dry.code).toBe(0);
  expect(dry.out).toMatch(/^Comes back: +20 USD, which ASBB held for ever/m);
  expect(dry.out).toMatch(/^climate +12\.5 +50 +37\.5 +12\.5 +0 +87\.5$/m);
  expect(dry.out).toMatch(/^grant +NSF-1 /m);
  expect(dry.out).toMatch(/^allocation schedule +climate +monthly 100\.00 of 1200\.00/m);
  expect(dry.out).toContain('Nothing was changed.');
  expect(readFileSync(csv, 'utf8').split('\r\n')).toEqual([
    'kind,account,transaction_id,job_id,at,amount,detail',
    'held_was_wrong,climate,,,,-50,"ASBB says 50 is held, open holds say 0"',
    expect.stringMatching(
      /^never_released,climate,txn_\d+_4,,2026-02-02T00:00:00Z,20,"No charge belongs to it; closed/,
    ),
    '',
  ]);
  await expect(accounts.read('climate')).rejects.toMatchObject({ code: 'account_not_found' });

  const made = await importing(house, asbb.url, '--apply', '--json', '--report', json);
  expect(made.json).toMatchObject({
    imported: { accounts: 2, transactions: 7 },
    money_back: '20',
    balances: [{ account: 'climate', asbb_held: '50', held: '0', available: '87.5' }],
    left_behind: [{ what: 'allocation schedule' }, { what: 'grant', name: 'NSF-1' }],
  });
  expect(JSON.parse(readFileSync(json, 'utf8'))).toMatchObject({ database: expect.any(String), findings: [{}, {}] });
  expect(await accounts.read('climate')).toMatchObject({
    granted: 100_000_000n,
    settled: 12_500_000n,
    held: 0n,
    unit: 'USD',
  });
  expect(await accounts.read('quiet')).toMatchObject({ status: 'suspended', granted: 5_000_000n });
  const again = await importing(house, asbb.url, '--apply', '--json');
  expect(again.json).toMatchObject({ accounts_imported_before: 2, imported: { accounts: 0, transactions: 0 } });
  expect(await audit.run()).toMatchObject({ ok: true, transactions: 7 });

  // What is here stays as it was booked, so nothing may say that other settings had an effect on it.
  for (const other of [['--correct'], ['--unit', 'EUR'], ['--time-zone', 'Europe/Berlin', '--apply']]) {
    const refused = await importing(house, asbb.url, ...other);
    expect(refused).toMatchObject({ code: 2, out: '' });
    expect(refused.err).toMatch(/were imported at .* stay as they were booked then: \{.*"correct":\s?false/);
  }
  expect(await audit.run()).toMatchObject({ ok: true, transactions: 7 });
});

test('on a database that no server has started on, its cluster is made as a server would make it, and only by --apply', async () => {
  await using house = await freshDatabase();
  const { catalog } = openLedger(house.sql);
  const dry = await importing(house, asbb.url);
  expect(dry).toMatchObject({ code: 0, out: expect.stringMatching(/^Cluster: +default, which would be made$/m) });
  expect(await catalog.listClusters()).toEqual([]);
  expect(await importing(house, asbb.url, '--cluster', 'eagle')).toMatchObject({ code: 4 });
  const made = await importing(house, asbb.url, '--apply', '--json');
  expect(made.json).toMatchObject({ cluster: 'default', imported: { accounts: 2, transactions: 7 } });
  expect(await catalog.listClusters()).toMatchObject([{ name: 'default', reconciliationTimeoutSeconds: 86_400 }]);
});

test('a report that cannot be written is refused before anything is read', async () => {
  await using house = await openHouse();
  const nowhere = join(folder, 'no', 'such', 'report.csv');
  const { code, err } = await importing(house, 'postgres://nobody@127.0.0.1:1/asbb', '--report', nowhere);
  expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining('report.csv cannot be written (ENOENT)') });
  const report = join(folder, 'later.csv');
  expect((await importing(house, 'postgres://nobody@127.0.0.1:1/asbb', '--report', report)).code).toBeGreaterThan(2);
  expect(existsSync(report)).toBe(false);
});

test.each([
  [
    'another version',
    `update schema_migrations set version = 2`,
    /has ASBB's schema in version 2; what can be read is version 3/,
  ],
  [
    'a migration that stopped halfway',
    `update schema_migrations set dirty = true`,
    /is dirty: a migration of ASBB's stopped halfway/,
  ],
  ['no database of ASBB', `drop table budget_transactions cascade`, /is not ASBB's: it has no tables/],
  [
    'an account that is here already',
    `insert into budget_accounts (slurm_account, name, budget_limit, start_date, end_date) values ('taken', 'T', 1, '2026-01-01', '2027-01-01')`,
    /account "taken" is here already and did not come from this database/,
  ],
  [
    'what no account here may be',
    `insert into budget_accounts (slurm_account, name, budget_limit, start_date, end_date) values ('a/b', 'T', 9999999999.99, '2026-01-01', '2027-01-01')`,
    /account "a\/b" has a name that no account here may have[^]*account "a\/b" has amounts of 8589934592/,
  ],
])('%s is refused by name, and nothing is changed', async (_, tampering, words) => {
  await using house = await openHouse();
  await openLedger(house.sql).accounts.create(
    { name: 'taken', unit: 'USD', title: 'T', startsAt: '2026-01-01T00:00:00Z', endsAt: '2027-01-01T00:00:00Z' },
    { principal: 'local' },
  );
  await using other = await openAsbb();
  await other.sql.unsafe(tampering);
  const { code, err } = await importing(house, other.url, '--apply');
  expect(code).toBeGreaterThan(0);
  expect(err).toMatch(words);
  expect(await openLedger(house.sql).audit.run()).toMatchObject({ accounts: 1, transactions: 0 });
});

test('what is not asked rightly is said with what to do', async () => {
  await using house = await openHouse();
  const asked = async (from: string, ...args: string[]) => {
    const { code, err } = await importing(house, from, ...args);
    return `${code} ${err}`;
  };
  expect(await asked('asbb.sql')).toMatch(/^2 [^]*A dump is restored first: createdb asbb/);
  expect(await asked(house.url)).toMatch(/^2 .* is Bursar's own, not ASBB's/);
  expect(await asked(asbb.url, '--cluster', 'nowhere')).toMatch(
    /^4 There is no cluster "nowhere"[^]*bursar cluster list/,
  );
  expect(await asked(asbb.url, '--report', 'report.xml')).toMatch(
    /^2 --report takes a file that ends in \.json or \.csv/,
  );
  expect(await asked(asbb.url, '--unit', '€', '--apply')).toMatch(
    /^2 --unit "€" is none: it must be a currency code like USD/,
  );
  expect(existsSync('report.xml')).toBe(false);
});

test('no password is in what is said of an address that cannot be read', async () => {
  await using house = await openHouse();
  for (const dsn of ['host=db user=asbb password=s3cret dbname=asbb', 'postgres://asbb:s3cret@db:port/asbb']) {
    const { code, out, err } = await importing(house, dsn);
    expect(code).toBe(2);
    expect(out + err).not.toContain('s3cret');
  }
});

test("what is wrong with ASBB's database is said of that one, not of Bursar's", async () => {
  await using house = await openHouse();
  await using partial = await openAsbb();
  const { code, err } = await importing(house, `${partial.url}_not`);
  expect(code).toBe(5);
  expect(err).toContain("Is that the name of ASBB's database?");
  await partial.sql`drop table budget_alerts`;
  const { database } = (await partial.sql<{ database: string }[]>`select current_database() as database`)[0]!;
  const told = await importing(house, partial.url);
  expect(told.code).toBe(2);
  expect(told.err).toContain(
    `The database ${database} is not whole: ASBB's schema has these tables too: budget_alerts.`,
  );
  const role = `reader_${randomBytes(6).toString('hex')}`;
  await partial.sql.unsafe(`create role ${role} login password 'reader'; grant select on budget_accounts to ${role}`);
  const from = Object.assign(new URL(partial.url), { username: role, password: 'reader' }).toString();
  const refused = await importing(house, from);
  await partial.sql.unsafe(`drop owned by ${role}; drop role ${role}`);
  expect(refused.code).toBe(2);
  expect(refused.err).toMatch(/The user may not read all of .*: grant select on schema_migrations, budget_partition_/);
});

/** Seven thousand accounts with a hold each, and every third with a charge. */
async function openLarge(): Promise<Asbb> {
  const large = await openAsbb();
  await large.sql.unsafe(`
    alter table budget_transactions disable trigger user;
    insert into budget_accounts (slurm_account, name, budget_limit, start_date, end_date)
    select 'a' || n, 'A', 100, '2026-01-01', '2099-01-01' from generate_series(1, 7000) n;
    insert into budget_transactions (transaction_id, account_id, type, amount, description, status, created_at)
    select 'txn_' || n || '_1', n, 'hold', n % 50, 'x', 'completed', now() - interval '40 days' from generate_series(1, 7000) n;
    insert into budget_transactions (transaction_id, account_id, job_id, type, amount, description, status, created_at)
    select 'txn_' || n || '_2', n, n, 'charge', n % 50, 'x', 'completed', now() - interval '39 days' from generate_series(1, 7000, 3) n`);
  return large;
}

const booksOf = ({ sql }: TestDatabase) => sql`
  select a.name, t.granted_micro, t.settled_micro, t.held_micro,
    (select count(*)::int from ledger.transactions x where x.account_no = a.account_no) as transactions
  from ledger.accounts a join ledger.account_totals t using (account_no) where a.name ~ '^a[0-9]+$' order by a.name`;

const indexesOf = ({ sql }: TestDatabase) => sql`
  select pg_get_indexdef(indexrelid) as index, conname as constraint, spcname as tablespace
  from pg_index i
  join pg_class r on r.oid = i.indexrelid
  left join pg_tablespace t on t.oid = r.reltablespace
  left join pg_constraint c on c.conindid = i.indexrelid and c.conrelid = i.indrelid
  where i.indrelid in (select oid from pg_class where relnamespace = 'ledger'::regnamespace) order by 1, 2`;

/** Where a site may have them, on a faster disk. */
async function moveSomeIndexes({ sql }: TestDatabase): Promise<void> {
  const tablespace = `fast_${randomBytes(6).toString('hex')}`;
  const superuser = await sql.reserve();
  await superuser`set allow_in_place_tablespaces = on`;
  await superuser.unsafe(`create tablespace ${tablespace} location ''`);
  await superuser.unsafe(`alter index ledger.transactions_by_id set tablespace ${tablespace}`);
  superuser.release();
}

test('the first books are there with all their indexes or not at all, wherever it is killed', async () => {
  await using large = await openLarge();
  await using house = await openHouse();
  await using other = await openHouse();
  await moveSomeIndexes(house);
  const indexes = await indexesOf(house);
  const args = ['import', 'asbb', large.url, '--database-url', house.url, '--apply'];
  // Whoever has seen the accounts that it made must let it commit, so that it is killed with all its work done.
  await house.sql.unsafe(`
    create function wait_for_the_kill() returns trigger language plpgsql as $$
    begin perform pg_advisory_xact_lock(1); return null; end $$;
    create constraint trigger wait_for_the_kill after insert on ledger.changes deferrable initially deferred
      for each row execute function wait_for_the_kill()`);
  const gate = await house.sql.reserve();
  await gate`select pg_advisory_lock(1)`;
  const child = spawn(process.execPath, [join(PACKAGE_ROOT, 'bin/bursar.js'), ...args], { stdio: 'ignore' });
  await eventually('it is about to commit', async () => {
    const [row] = await gate<{ waits: boolean }[]>`
      select exists (select from pg_locks where locktype = 'advisory' and not granted
        and database = (select oid from pg_database where datname = current_database())) as waits`;
    return row?.waits === true;
  });
  child.kill('SIGKILL');
  await once(child, 'exit');
  // What was sent is done, whoever sent it.
  await gate`
    select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and not granted
      and database = (select oid from pg_database where datname = current_database())`;
  await gate`select pg_advisory_unlock(1)`;
  gate.release();
  await eventually('nobody is at work', async () => {
    const [row] = await house.sql<{ count: number }[]>`
      select count(*)::int as count from pg_locks
      where relation = 'ledger.transactions'::regclass and mode = 'AccessExclusiveLock'
        and database = (select oid from pg_database where datname = current_database())`;
    return row?.count === 0;
  });
  expect(await house.sql`select from ledger.accounts`).toHaveLength(0);
  expect(await indexesOf(house)).toEqual(indexes);

  await house.sql`drop trigger wait_for_the_kill on ledger.changes`;
  expect((await importing(house, large.url, '--apply', '--json')).json).toMatchObject({
    resumes: false,
    imported: { accounts: 7_000 },
  });
  await openLedger(other.sql).accounts.create(
    {
      name: 'early',
      unit: 'USD',
      title: 'Early',
      startsAt: '2026-01-01T00:00:00Z',
      endsAt: '2099-01-01T00:00:00Z',
      budgetLimit: toMicro(1n),
    },
    { principal: 'local' },
  );
  await importing(other, large.url, '--apply');
  // The one was written at once, the other beside what was there.
  expect(await booksOf(house)).toEqual(await booksOf(other));
  expect(await indexesOf(house)).toEqual(indexes);
  expect(await openLedger(house.sql).audit.run()).toMatchObject({ ok: true, findings: [], accounts: 7_000 });
});

test('killed in the middle of booking, it goes on where it was, to the same books as one that was not', async () => {
  await using large = await openLarge();
  await using house = await openHouse();
  await using other = await openHouse();
  const args = ['import', 'asbb', large.url, '--database-url', house.url, '--apply'];
  const countImported = async () => {
    const [row] = await house.sql<{ count: number }[]>`select count(*)::int as count from ledger.imported_accounts`;
    return row?.count ?? 0;
  };
  // Somebody else is about to make the last account, so that it cannot be through before it is killed.
  const rival = await house.sql.reserve();
  await rival`begin`;
  await rival`
    insert into ledger.accounts (name, title, unit, time_zone, starts_at, ends_at, root_no)
    values ('a7000', 'A', 'USD', 'UTC', '2026-01-01', '2099-01-01', 0)`;
  const child = spawn(process.execPath, [join(PACKAGE_ROOT, 'bin/bursar.js'), ...args], { stdio: 'ignore' });
  await eventually('the first accounts are booked', async () => (await countImported()) > 0);
  child.kill('SIGKILL');
  await once(child, 'exit');
  await rival`rollback`;
  rival.release();
  const before = await countImported();
  expect(before).toBeGreaterThan(0);
  expect(before).toBeLessThan(7_000);
  expect(await openLedger(house.sql).audit.run()).toMatchObject({ ok: true, findings: [] });

  const changed = await importing(house, large.url, '--apply', '--unit', 'EUR');
  expect(changed.err).toMatch(/was begun at .* and not finished\. Finish it first, as it was begun/);
  const resumed = await importing(house, large.url, '--apply', '--json');
  expect(resumed.json).toMatchObject({
    resumes: true,
    accounts_imported_before: before,
    imported: { accounts: 7_000 - before },
  });
  await importing(other, large.url, '--apply');

  expect(await booksOf(house)).toEqual(await booksOf(other));
  const { audit } = openLedger(house.sql);
  expect(await audit.run()).toMatchObject({ ok: true, findings: [], accounts: 7_000 });
});

test('a role that does not own the tables imports all the same, with its rights alone', async () => {
  await using house = await openHouse();
  const role = `clerk_${randomBytes(6).toString('hex')}`;
  await house.sql.unsafe(`
    create role ${role} login password 'clerk';
    grant usage on schema ledger, migrations to ${role};
    grant all on all tables in schema ledger, migrations to ${role};
    grant all on all sequences in schema ledger to ${role}`);
  try {
    const url = Object.assign(new URL(house.url), { username: role, password: 'clerk' }).toString();
    const { json } = await importing({ ...house, url }, asbb.url, '--apply', '--json');
    expect(json).toMatchObject({ imported: { accounts: 2, transactions: 7 } });
  } finally {
    await house.sql.unsafe(`drop owned by ${role}; drop role ${role}`);
  }
  expect(await openLedger(house.sql).audit.run()).toMatchObject({ ok: true, transactions: 7 });
});

test('a server that ends idle transactions soon ends no import', async () => {
  await using large = await openLarge();
  await using house = await openHouse();
  for (const { sql } of [large, house]) {
    const [{ name }] = await sql<[{ name: string }]>`select current_database() as name`;
    await sql.unsafe(`alter database ${name} set idle_in_transaction_session_timeout = '5ms'`);
  }
  const { json } = await importing(house, large.url, '--apply', '--json');
  expect(json).toMatchObject({ imported: { accounts: 7_000 } });
});

test.each([[[]], [['--apply']]])("that ASBB's PostgreSQL went away is said of that one (%j)", async (how) => {
  await using large = await openLarge();
  await using house = await openHouse();
  // So that it waits where it reads.
  const gate = await large.sql.reserve();
  await gate`begin`;
  await gate`lock table budget_partition_limits`;
  const importer = importing(house, large.url, ...how);
  await eventually('it waits', async () => {
    const ended = await large.sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name = 'bursar-import' and wait_event_type = 'Lock'`;
    return ended.length > 0;
  });
  await gate`rollback`;
  gate.release();
  const { code, err } = await importer;
  expect(code).toBe(5);
  expect(err).toContain(`/${new URL(large.url).pathname.slice(1)} was lost while it was worked on`);
  expect(await house.sql`select from ledger.asbb_accounts`).toHaveLength(0);
});
