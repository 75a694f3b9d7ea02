/**
 * ASBB's own database, read. Its transactions are read as they pass; the other tables of its schema that hold money are copied, in
 * the same snapshot, into staging tables of ours, and the rest is read for what would be left behind. Nothing is ever written there.
 */
import { finished, pipeline } from 'node:stream/promises';
import type { AsbbTransaction } from '../../domain/asbb-readings';
import { Fault } from '../../domain/faults';
import { toMicro } from '../../domain/money';
import { streamInto } from '../../platform/copy-in';
import { BinaryFields, copyOut } from '../../platform/copy-out';
import { keepTransaction, withReserved, type Sql } from '../../platform/postgres';
import type { Progress } from '../contract/imports';
import { gatherRows } from './gather-rows';
import { quietly } from './lock';

/** The schema of ASBB v0.2.0, the last that was released. */
const SCHEMA_VERSION = 3;

/** An amount as millionths; null where it is no number of ours (NaN is above all numbers), to be named later. */
const micro = (column: string) =>
  `case when ${column} < 8589934592 and ${column} > -8589934592 then (${column} * 1000000)::bigint end`;

/** What goes into which staging table; the columns in the order of the table. */
const COPIED = {
  asbb_accounts: `
    select id, slurm_account, name, description, ${micro('budget_limit')}, ${micro('budget_used')}, ${micro('budget_held')},
      start_date, end_date, status, created_at
    from budget_accounts order by id`,
  asbb_limits: `
    select account_id, partition, ${micro('limit_amount')} from budget_partition_limits order by account_id, partition`,
  asbb_left_behind: `
    select 'grant', grant_number, format('%s, %s to %s, award %s, %s', funding_agency, grant_start_date::date,
      grant_end_date::date, total_award_amount, status)
    from grant_accounts
    union all
    select 'budget period', format('%s #%s', g.grant_number, p.period_number), format('%s to %s, budget %s, %s',
      p.period_start_date::date, p.period_end_date::date, p.period_budget_amount, p.status)
    from grant_budget_periods p join grant_accounts g on g.id = p.grant_id
    union all
    select 'allocation schedule', a.slurm_account, format('%s %s of %s, next on %s, %s', s.allocation_frequency,
      s.allocation_amount, s.total_budget, s.next_allocation_date::date, s.status)
    from budget_allocation_schedules s join budget_accounts a on a.id = s.account_id
    union all
    select 'allocation', a.slurm_account, format('%s on %s', b.allocation_amount, b.allocated_date::date)
    from budget_allocations b join budget_accounts a on a.id = b.account_id
    union all
    select 'job submission', coalesce(s.job_id, 'of no id'), format('%s, %s', s.partition, s.status) from job_submissions s
    union all
    select 'alert', a.slurm_account, format('%s (%s): %s', b.alert_type, b.severity, b.message)
    from budget_alerts b join budget_accounts a on a.id = b.account_id
    union all
    select 'burn rate', a.slurm_account, format('%s days of it', count(*))
    from budget_burn_rates b join budget_accounts a on a.id = b.account_id group by a.slurm_account`,
} as const;

/** In the order in which they are understood; the columns as `readTransaction` reads them, figured once the rows are in order. */
const TRANSACTIONS = `
  select account_id, id, transaction_id, type, ${micro('amount')}, status, case when isfinite(created_at) then created_at end,
    nullif(job_id, ''), description, metadata, parent_transaction_id,
    case when type = 'hold' then nullif(metadata ->> 'partition', '') end,
    case when type = 'hold' then nullif(metadata ->> 'user_id', '') end
  from (
    select account_id, id, transaction_id, type, amount, status, created_at, job_id, description, metadata, parent_transaction_id
    from budget_transactions order by account_id, id) transactions
  order by account_id, id`;

/** What all that reads. */
const TABLES = [
  'budget_accounts',
  'budget_partition_limits',
  'budget_transactions',
  'grant_accounts',
  'grant_budget_periods',
  'budget_allocation_schedules',
  'budget_allocations',
  'job_submissions',
  'budget_alerts',
  'budget_burn_rates',
];

interface SourceFacts {
  database: string;
  transactions: number;
}

/** Refuses what is not ASBB's database of the version that we know, by name. */
export async function requireAsbb(source: Sql): Promise<SourceFacts> {
  const [found] = await source<{ database: string; tables: boolean; bursar: boolean; closed: string | null }[]>`
    select current_database() as database, to_regclass('migrations.applied') is not null as bursar,
      to_regclass('schema_migrations') is not null and to_regclass('budget_accounts') is not null
        and to_regclass('budget_transactions') is not null as tables,
      (select string_agg(name, ', ') from unnest(${['schema_migrations', ...TABLES]}::text[]) name
       where not has_table_privilege(to_regclass(name), 'select')) as closed`;
  if (found?.bursar) throw refused(`The database ${found.database} is Bursar's own, not ASBB's.`);
  if (!found?.tables) {
    throw refused(
      `The database ${found?.database} is not ASBB's: it has no tables schema_migrations, budget_accounts and budget_transactions.`,
    );
  }
  if (found.closed) {
    throw refused(`The user may not read all of the database ${found.database}: grant select on ${found.closed}.`);
  }
  const [schema] = await source<{ version: number; dirty: boolean }[]>`
    select version::int as version, dirty from schema_migrations order by version desc limit 1`;
  if (schema?.version !== SCHEMA_VERSION) {
    throw refused(
      `The database ${found.database} has ASBB's schema in version ${schema?.version ?? 'none'}; what can be read is version ${SCHEMA_VERSION}, that of ASBB v0.2.0. Start ASBB v0.2.0 once with "auto_migrate: true" under "database", which brings it there.`,
    );
  }
  if (schema.dirty) {
    throw refused(
      `The database ${found.database} is dirty: a migration of ASBB's stopped halfway (schema_migrations says so). Repair it with ASBB first.`,
    );
  }
  const [tables] = await source<{ missing: string | null }[]>`
    select string_agg(name, ', ') as missing from unnest(${TABLES}::text[]) name where to_regclass(name) is null`;
  if (tables?.missing) {
    throw refused(
      `The database ${found.database} is not whole: ASBB's schema has these tables too: ${tables.missing}.`,
    );
  }
  const [rows] = await source<{ transactions: number; last: bigint }[]>`
    select (select count(*) from budget_transactions)::int as transactions,
      greatest((select max(abs(id)) from budget_accounts), (select max(abs(id)) from budget_transactions), 0) as last`;
  if (rows && rows.last > Number.MAX_SAFE_INTEGER) {
    throw refused(
      `The database ${found.database} has a row of the number ${rows.last}; from 2^53 on they cannot be read.`,
    );
  }
  return { database: found.database, transactions: rows?.transactions ?? 0 };
}

/** ASBB as it is at one moment: nothing that is written there meanwhile is seen. */
export const atOneMoment = <T>(source: Sql, read: (snapshot: Sql) => Promise<T>): Promise<T> =>
  withReserved(source, async (snapshot) => {
    await snapshot`begin isolation level repeatable read read only`;
    try {
      await keepTransaction(snapshot);
      return await read(snapshot);
    } finally {
      await quietly(() => snapshot`rollback`);
    }
  });

type Tell = (progress: Progress) => void;

/** Fills the staging tables with everything but the transactions. */
export async function stageAsbb(snapshot: Sql, target: Sql, onProgress: Tell): Promise<void> {
  for (const [table, query] of Object.entries(COPIED)) {
    const from = await copyOut(snapshot, `copy (${query}) to stdout (format binary)`);
    const into = await streamInto(target, `copy ledger.${table} from stdin (format binary)`);
    const step = `reading ${table.replace('asbb_', '').replace('_', ' ')}`;
    await pipeline(
      from,
      gatherRows((done) => onProgress({ step, done })),
      into,
    );
  }
}

/** The transactions, in pieces of whole rows that `readTransaction` reads. */
export async function* readTransactions(snapshot: Sql, onRead: (rows: number) => void): AsyncGenerator<Buffer> {
  await snapshot`set local work_mem = '256MB'`; // They are put in order.
  const rows = await copyOut(snapshot, `copy (${TRANSACTIONS}) to stdout (format binary)`);
  const gathered = gatherRows(onRead);
  rows.on('error', (error) => gathered.destroy(error)).pipe(gathered);
  try {
    yield* gathered;
  } finally {
    // Where nobody wants the rest: the driver takes nothing else on that connection before it has passed, not even a rollback.
    rows.unpipe();
    rows.resume();
    await quietly(() => finished(rows, { cleanup: true }));
  }
}

/** Which account a transaction is of comes before it. */
export const readAccountId = (fields: BinaryFields): number => fields.integer();

const TYPES = ['hold', 'charge', 'refund', 'adjustment'];
const STATUSES = ['completed', 'pending', 'failed', 'cancelled'];

export function readTransaction(fields: BinaryFields): AsbbTransaction {
  const id = fields.integer();
  const transactionId = fields.text() ?? '';
  const type = fields.word(TYPES);
  const amount = fields.bigint();
  const status = fields.word(STATUSES);
  return {
    id,
    transactionId,
    type,
    amount: toMicro(amount ?? 0n),
    hasAmount: amount !== undefined,
    status,
    isCompleted: status === 'completed',
    at: fields.time(),
    jobId: fields.text(),
    description: fields.text() ?? '',
    metadata: fields.jsonText(),
    parentId: fields.text(),
    partition: fields.text(),
    user: fields.text(),
  };
}

const refused = (detail: string): Fault => new Fault('malformed_request', detail);
