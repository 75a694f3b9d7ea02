/**
 * An ASBB database moves over: read whole into staging tables, understood account by account, reported, and then booked in
 * batches of whole accounts, each in one transaction. Reading decides nothing that booking would decide again, so a dry run
 * says exactly what a real one does; and since a finished account is remembered, a run that died is simply run again.
 */
import { malformed } from '../../domain/faults';
import { toMicro, type Micro } from '../../domain/money';
import { readTimeZone, type Instant } from '../../domain/time';
import type { Sql } from '../../platform/postgres';
import type {
  AsbbBalance,
  AsbbFinding,
  AsbbFindingKind,
  AsbbPlan,
  AsbbSettings,
  Imported,
  Progress,
} from '../contract/imports';
import { ask } from '../errors';
import { stageAsbb } from './asbb-source';
import { readCluster, type FreshCluster, type ImportCluster } from './cluster';
import { ACTOR, withImportLock } from './lock';

/** ASBB's transactions in one of ours: some seconds of work. An account that has more is a batch of its own. */
const BATCH_ROWS = 50_000;
const BATCH_ACCOUNTS = 2_000;
/** What keeps a database from being imported is told so often. */
const PROBLEMS_TOLD = 1000;
/** Connections that work; one more keeps the lock. */
const AT_ONCE = 2;

/** Each kind of finding in words, worst first. */
export const FINDINGS: Readonly<Record<AsbbFindingKind, string>> = {
  used_was_wrong: 'used was wrong in ASBB',
  held_was_wrong: 'held was wrong in ASBB',
  never_released: 'held for ever; the money comes back',
  charged_twice: 'charged twice',
  charged_again: 'charged again with another cost',
  negative_charge: 'negative charge',
  charge_above_hold: 'charge above its hold',
  charge_without_hold: 'charge that no hold fits',
  refund_beyond_charge: 'refund of more than its charge',
  without_effect: 'without effect in ASBB',
  overspent: 'used and held beyond its limit',
  still_open: 'hold imported open',
  status_changed: 'status changed',
  came_later: 'transactions that came after its import',
};

const STAGING = [
  'asbb_accounts',
  'asbb_limits',
  'asbb_transactions',
  'asbb_left_behind',
  'asbb_readings',
  'asbb_balances',
  'asbb_findings',
].map((table) => `ledger.${table}`);

interface Run {
  importNo?: bigint;
  at: Instant;
}

export interface AsbbImport {
  plan: AsbbPlan;
  findings(limit: number): Promise<AsbbFinding[]>;
  /** One after the other, however many there are. */
  everyFinding(see: (finding: AsbbFinding) => void): Promise<void>;
  balances(limit: number): Promise<AsbbBalance[]>;
  /** Books it. Where it dies, another run goes on. */
  apply(): Promise<Imported>;
}

/**
 * Reads ASBB's database, hands what it would do to `use`, and clears the staging tables. One import at a time.
 * Throws `malformed_request` where that is no ASBB database of version 3, or the settings do not fit an import that waits to
 * be finished; `cluster_not_found`.
 */
export async function withAsbbImport<T>(
  { sql, source, fresh }: { sql: Sql; source: Sql; fresh?: FreshCluster | undefined },
  settings: AsbbSettings,
  onProgress: (progress: Progress) => void,
  use: (asbb: AsbbImport) => Promise<T>,
): Promise<T> {
  return withImportLock(sql, async () => {
    const cluster = await readCluster(sql, settings.cluster, fresh);
    const timeZone = readTimeZone(settings.timeZone ?? cluster.timeZone);
    await clear(sql);
    try {
      const { database } = await stageAsbb(source, sql, onProgress);
      const asked = { database, unit: settings.unit, cluster: settings.cluster, timeZone, correct: settings.correct };
      const run = await runToResume(sql, asked);
      await glance(sql, 'ledger.asbb_accounts, ledger.asbb_transactions');
      const batches = await readBatches(sql);
      const problems = await read(sql, batches, run.at, cluster, onProgress);
      const clusterIsNew = cluster.isNew;
      const plan = {
        ...asked,
        clusterIsNew,
        ...(await summarise(sql)),
        problems,
        at: run.at,
        resumes: run.importNo !== undefined,
      };
      return await use({
        plan,
        findings: (limit) => ask(() => findings(sql, limit)),
        everyFinding: (see) => everyFinding(sql, see),
        balances: (limit) => ask(() => balances(sql, limit)),
        apply: () => apply(sql, { asked, cluster, run, batches }, onProgress),
      });
    } finally {
      await clear(sql);
    }
  });
}

const clear = (sql: Sql) => sql.unsafe(`truncate ${STAGING.join(', ')}`);

type Problem = AsbbPlan['problems'][number];

type Asked = Pick<AsbbPlan, 'database' | 'unit' | 'cluster' | 'timeZone' | 'correct'>;

/** The run that died, whose moment goes on being now; else a new one, of this moment. */
async function runToResume(sql: Sql, { database, ...settings }: Asked): Promise<Run> {
  const [unfinished] = await sql<{ importNo: bigint; at: Instant; name: string; same: boolean; settings: object }[]>`
    select import_no as "importNo", begun_at as at, name, settings, settings = ${JSON.stringify(settings)}::text::jsonb as same
    from ledger.imports where source = 'asbb' and finished_at is null`;
  if (!unfinished) {
    const [now] = await sql<{ at: Instant }[]>`select clock_timestamp() as at`;
    if (!now) throw new Error('PostgreSQL has no time');
    return { at: now.at };
  }
  if (unfinished.name !== database || !unfinished.same) {
    throw malformed(
      `An import of the database ${unfinished.name} was begun at ${unfinished.at} and not finished. Finish it first, as it was begun: ${JSON.stringify(unfinished.settings)}.`,
    );
  }
  return unfinished;
}

// Reading ---------------------------------------------------------------------------------------------------------------

/** Understands everything, and says what keeps it from being imported. */
async function read(
  sql: Sql,
  batches: readonly Batch[],
  at: Instant,
  cluster: ImportCluster,
  onProgress: (progress: Progress) => void,
): Promise<Problem[]> {
  const found = await inBatches(sql, 'understanding', batches, onProgress, async (tx, ids) => {
    await tx`select ledger.read_asbb(${ids}::bigint[], ${at}, ${cluster.timeoutSeconds} * interval '1 second')`;
    await tx`select ledger.find_asbb_faults(${ids}::bigint[], ${at})`;
    return tx<
      Problem[]
    >`select subject, problem from ledger.asbb_problems(${ids}::bigint[]) order by subject, problem limit ${PROBLEMS_TOLD}`;
  });
  await glance(sql, 'ledger.asbb_readings, ledger.asbb_balances');
  const inOrder = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  return found
    .flatMap((rows) => [...rows])
    .sort((a, b) => inOrder(a.subject, b.subject) || inOrder(a.problem, b.problem))
    .slice(0, PROBLEMS_TOLD);
}

/** The plans need to know how many rows there are, and little more: a tenth of the usual sample is enough. */
const glance = (sql: Sql, tables: string) =>
  sql.begin(async (tx) => {
    await tx`set local default_statistics_target = 10`;
    await tx.unsafe(`analyze ${tables}`);
  });

type Tx = Parameters<Parameters<Sql['begin']>[1]>[0];

/**
 * Whole accounts, one transaction a batch, two batches at a time: accounts have nothing to do with each other. Returns what the
 * batches return. Where one fails the others that are under way end first, and no more are begun.
 */
async function inBatches<T>(
  sql: Sql,
  step: string,
  batches: readonly Batch[],
  onProgress: (progress: Progress) => void,
  work: (tx: Tx, ids: string[]) => Promise<T>,
): Promise<T[]> {
  const of = batches.reduce((total, { rows }) => total + rows, 0);
  const left = [...batches];
  const results: T[] = [];
  let [done, hasFailed] = [0, false];
  const takeTurns = async () => {
    for (let batch = left.shift(); batch && !hasFailed; batch = left.shift()) {
      const { ids, rows } = batch;
      await ask(() =>
        sql.begin(async (tx) => {
          await tx`set local work_mem = '256MB'`;
          results.push(await work(tx, ids));
        }),
      ).catch((error: unknown) => {
        hasFailed = true;
        throw error;
      });
      done += rows;
      onProgress({ step, done, of });
    }
  };
  for (const end of await Promise.allSettled(Array.from({ length: AT_ONCE }, takeTurns))) {
    if (end.status === 'rejected') throw end.reason;
  }
  return results;
}

interface Batch {
  ids: string[];
  rows: number;
}

/** As many of about the same size as can be worked on together, or twice as many, and so on: nobody waits for the last one. */
async function readBatches(sql: Sql): Promise<Batch[]> {
  const accounts = await sql<{ id: bigint; rows: number }[]>`
    select s.id, count(t.id)::int as rows
    from ledger.asbb_accounts s left join ledger.asbb_transactions t on t.account_id = s.id
    group by s.id order by s.id`;
  const all = accounts.reduce((total, { rows }) => total + rows, 0);
  const turns = Math.max(1, Math.ceil(all / (AT_ONCE * BATCH_ROWS)));
  const enough = Math.max(1, all / (AT_ONCE * turns));
  const batches: Batch[] = [];
  for (const { id, rows } of accounts) {
    const last = batches.at(-1);
    if (!last || last.rows >= enough || last.ids.length >= BATCH_ACCOUNTS) batches.push({ ids: [id.toString()], rows });
    else {
      last.ids.push(id.toString());
      last.rows += rows;
    }
  }
  return batches;
}

// Reporting -------------------------------------------------------------------------------------------------------------

async function summarise(sql: Sql) {
  const [totals] = await sql<
    { accounts: number; accountsHere: number; transactions: number; limits: number; moneyBack: bigint }[]
  >`
    select (select count(*) from ledger.asbb_accounts)::int as accounts,
      (select count(*) from ledger.asbb_accounts s join ledger.accounts a using (name)
       join ledger.imported_accounts i on i.account_no = a.account_no and i.origin = ledger.asbb_origin(s))::int as "accountsHere",
      (select count(*) from ledger.asbb_transactions)::int as transactions,
      (select count(*) from ledger.asbb_limits)::int as limits,
      (select coalesce(sum(closed_micro), 0) from ledger.asbb_balances)::bigint as "moneyBack"`;
  if (!totals) throw new Error('nothing was staged');
  const kinds = await sql<{ kind: AsbbFindingKind; count: number; amount: bigint }[]>`
    select kind, count(*)::int as count, coalesce(sum(amount_micro), 0)::bigint as amount from ledger.asbb_findings group by kind`;
  const leftBehind = await sql<
    AsbbPlan['leftBehind']
  >`select what, name, detail from ledger.asbb_left_behind order by what, name`;
  const found: AsbbPlan['findings'] = {};
  for (const { kind, count, amount } of kinds) found[kind] = { count, amount: toMicro(amount) };
  return {
    ...totals,
    moneyBack: toMicro(totals.moneyBack),
    findings: found,
    leftBehind: [...leftBehind],
  };
}

interface FindingRow {
  kind: AsbbFindingKind;
  account: string;
  transactionId: string | null;
  jobId: string | null;
  at: Instant | null;
  amount: bigint | null;
  detail: string;
}

const findingRows = (sql: Sql, limit: number | null) => sql<FindingRow[]>`
  select f.kind, s.name as account, f.transaction_id as "transactionId", f.job_id as "jobId", f.at, f.amount_micro as amount, f.detail
  from ledger.asbb_findings f join ledger.asbb_accounts s on s.id = f.account_id
  order by array_position(${Object.keys(FINDINGS)}::text[], f.kind), s.name, f.at, f.transaction_id
  limit ${limit}`;

const findings = async (sql: Sql, limit: number): Promise<AsbbFinding[]> =>
  (await findingRows(sql, limit)).map(toFinding);

async function everyFinding(sql: Sql, see: (finding: AsbbFinding) => void): Promise<void> {
  await findingRows(sql, null).cursor(1000, (rows) => rows.forEach((row) => see(toFinding(row))));
}

const toFinding = (row: FindingRow): AsbbFinding => ({
  kind: row.kind,
  account: row.account,
  ...(row.transactionId !== null && { transactionId: row.transactionId }),
  ...(row.jobId !== null && { jobId: row.jobId }),
  ...(row.at !== null && { at: row.at }),
  ...(row.amount !== null && { amount: toMicro(row.amount) }),
  detail: row.detail,
});

/** Those that ASBB had wrong, the most wrong first. */
async function balances(sql: Sql, limit: number): Promise<AsbbBalance[]> {
  const rows = await sql<
    { account: string; limit: bigint; asbbUsed: bigint; asbbHeld: bigint; used: bigint; held: bigint }[]
  >`
    select s.name as account, s.limit_micro as limit, s.used_micro as "asbbUsed", s.held_micro as "asbbHeld",
      b.used_micro as used, b.open_micro as held
    from ledger.asbb_accounts s join ledger.asbb_balances b on b.account_id = s.id
    where (s.used_micro, s.held_micro) is distinct from (b.used_micro, b.open_micro)
    order by abs(s.used_micro + s.held_micro - b.used_micro - b.open_micro) desc nulls first, s.name
    limit ${limit}`;
  return rows.map((row) => ({
    account: row.account,
    limit: toMicro(row.limit),
    asbbUsed: toMicro(row.asbbUsed),
    asbbHeld: toMicro(row.asbbHeld),
    asbbAvailable: left(row.limit, row.asbbUsed, row.asbbHeld),
    used: toMicro(row.used),
    held: toMicro(row.held),
    available: left(row.limit, row.used, row.held),
  }));
}

const left = (limit: bigint, used: bigint, held: bigint): Micro => toMicro(limit - used - held);

// Booking ---------------------------------------------------------------------------------------------------------------

async function apply(
  sql: Sql,
  { asked, cluster, run, batches }: { asked: Asked; cluster: ImportCluster; run: Run; batches: readonly Batch[] },
  onProgress: (progress: Progress) => void,
): Promise<Imported> {
  const { database, ...settings } = asked;
  const clusterNo = await cluster.number();
  const importNo = run.importNo ?? (await begin(sql, database, settings, run.at));
  const { unit, timeZone, correct } = asked;
  const booked = JSON.stringify({ unit, cluster_no: clusterNo, time_zone: timeZone, correct, actor: ACTOR });
  const before = await countImported(sql, importNo);
  const written = await inBatches(sql, 'booking', batches, onProgress, async (tx, ids) => {
    const [row] = await tx<{ written: bigint }[]>`
      select ledger.book_asbb(${importNo}, ${ids}::bigint[], ${booked}::text::jsonb, ${run.at}) as written`;
    return row?.written ?? 0n;
  });
  await sql`update ledger.imports set finished_at = clock_timestamp() where import_no = ${importNo}`;
  return {
    accounts: (await countImported(sql, importNo)) - before,
    transactions: Number(written.reduce((sum, each) => sum + each, 0n)),
  };
}

async function begin(sql: Sql, database: string, settings: object, at: Instant): Promise<bigint> {
  const [row] = await sql<{ importNo: bigint }[]>`
    insert into ledger.imports (source, name, settings, actor, begun_at)
    values ('asbb', ${database}, ${JSON.stringify(settings)}::text::jsonb, ${ACTOR}, ${at})
    returning import_no as "importNo"`;
  if (!row) throw new Error('the import has no number');
  return row.importNo;
}

async function countImported(sql: Sql, importNo: bigint): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*)::int as count from ledger.imported_accounts where import_no = ${importNo}`;
  return row?.count ?? 0;
}
