/**
 * An ASBB database moves over: its accounts are staged, its transactions understood as they are read, account by account, and reported.
 * Into an empty ledger they are written on the way, in one transaction that ends once it is said that they should be; into another one
 * in batches of whole accounts, each in one transaction, when all has been read without a fault. Both understand alike, so a dry run
 * says exactly what a real one does; and since a finished account is remembered, a run that died is simply run again.
 */
import { asbbAccountProblem, asbbProblem, canBeKept, findAsbbFaults } from '../../domain/asbb-findings';
import type { AsbbReading, AsbbStanding } from '../../domain/asbb-readings';
import { malformed } from '../../domain/faults';
import { toMicro, type Micro } from '../../domain/money';
import { epochMicros, MICROS_PER_SECOND, readTimeZone, type Instant } from '../../domain/time';
import { BinaryRows, copyIn, OpenCopy } from '../../platform/copy-in';
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
import { readAccounts, readInBatches, type AccountRead, type AsbbAccount } from './asbb-accounts';
import { bookBeside, withFirstBooks, type Books, type FirstBooks } from './asbb-books';
import { atOneMoment, readTransactions, requireAsbb, stageAsbb } from './asbb-source';
import { readCluster, type FreshCluster } from './cluster';
import { ACTOR, withImportLock } from './lock';

/** What keeps a database from being imported is told so often. */
const PROBLEMS_TOLD = 1000;
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

const STAGING = ['asbb_accounts', 'asbb_limits', 'asbb_left_behind', 'asbb_balances', 'asbb_findings'].map(
  (table) => `ledger.${table}`,
);

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
      return await atOneMoment(source, async (snapshot) => {
        const { database, transactions } = await requireAsbb(snapshot);
        const { unit, correct } = settings;
        const asked = { database, unit, cluster: settings.cluster, timeZone, correct };
        const run = await runToResume(sql, asked);
        await stageAsbb(snapshot, sql, onProgress);
        const accounts = await readAccounts(sql);
        const clock = { now: Number(epochMicros(run.at)), timeout: cluster.timeoutSeconds * Number(MICROS_PER_SECOND) };
        const read = (step: string) => {
          const pieces = readTransactions(snapshot, (done) => onProgress({ step, done, of: transactions }));
          return readInBatches(accounts, pieces, clock);
        };

        const booksOf = async (): Promise<Books> => {
          const itself = await clusterOf(sql, await cluster.number());
          return { unit, timeZone, correct, cluster: itself, at: run.at, clock };
        };
        const importNo = async (connection: Sql) => run.importNo ?? begin(connection, asked, run.at);

        const go = async (first: FirstBooks | undefined): Promise<T> => {
          const problems = await understand(sql, read('reading transactions'), run.at, first);
          const apply = async (): Promise<Imported> => {
            if (problems.length > 0) throw malformed(`The database ${database} cannot be imported.`);
            onProgress({ step: 'booking', done: 0, of: transactions });
            const imported = first
              ? await first.commit(importNo)
              : await bookBeside(sql, read('booking'), await booksOf(), await importNo(sql));
            await sql`update ledger.imports set finished_at = clock_timestamp() where source = 'asbb' and finished_at is null`;
            return imported;
          };
          const plan = {
            ...asked,
            clusterIsNew: cluster.isNew,
            transactions,
            ...(await summarise(sql)),
            problems,
            at: run.at,
            resumes: run.importNo !== undefined,
          };
          return use({
            plan,
            findings: (limit) => ask(() => findings(sql, limit)),
            everyFinding: (see) => everyFinding(sql, see),
            balances: (limit) => ask(() => balances(sql, limit)),
            apply: () => ask(apply),
          });
        };
        const goesAlong = settings.apply && (await problemsOfAccounts(sql)).length === 0;
        return goesAlong ? withFirstBooks(sql, accounts, await booksOf(), go) : go(undefined);
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

/** Goes through everything, lists what a person should know of it, and returns what keeps it from being imported. */
async function understand(
  sql: Sql,
  batches: AsyncIterable<AccountRead[]>,
  at: Instant,
  first: FirstBooks | undefined,
): Promise<Problem[]> {
  const problems: Problem[] = [];
  // In an empty ledger nothing has an id yet.
  const mayBeTaken = first ? () => false : await doubtOf(sql);
  const findings = await OpenCopy.into(sql, 'ledger.asbb_findings');
  const balances = new BinaryRows();
  try {
    for await (const batch of batches) {
      const doubtful = new Map<string, string>();
      for (const { account, readings, standing } of batch) {
        const problem = asbbAccountProblem(account.limit, standing);
        if (problem) problems.push({ subject: `account "${account.name}"`, problem });
        if (canBeKept(standing)) addBalance(balances, account, standing, readings.at(-1)?.id);
        for (const reading of readings) {
          const { transactionId } = reading;
          const subject = () => `transaction "${transactionId}" of account "${account.name}"`;
          const problem = asbbProblem(reading);
          if (problem) problems.push({ subject: subject(), problem });
          if (!account.isHere && mayBeTaken(transactionId)) doubtful.set(transactionId, subject());
          findAsbbFaults(reading, (kind, detail) => addFinding(findings.rows, account, reading, kind, detail));
        }
      }
      for (const id of await takenAmong(sql, [...doubtful.keys()])) {
        problems.push({ subject: doubtful.get(id) ?? id, problem: 'has the id of a transaction that is here already' });
      }
      if (findings.rows.isLarge) await findings.flow();
      if (problems.length === 0) await ask(async () => first?.add(batch));
    }
    await findings.end();
  } catch (error) {
    findings.abandon();
    throw error;
  }
  await copyIn(sql, 'copy ledger.asbb_balances from stdin (format binary)', balances);
  await sql`select ledger.find_asbb_faults(${at})`;
  const inOrder = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  return [...problems, ...(await problemsOfAccounts(sql))]
    .sort((a, b) => inOrder(a.subject, b.subject) || inOrder(a.problem, b.problem))
    .slice(0, PROBLEMS_TOLD);
}

const problemsOfAccounts = (sql: Sql) => sql<Problem[]>`select subject, problem from ledger.asbb_problems()`;

function addBalance(rows: BinaryRows, { id }: AsbbAccount, standing: AsbbStanding, lastId: number | undefined): void {
  rows.row(6);
  rows.bigint(id);
  rows.bigint(standing.given);
  rows.bigint(standing.used);
  rows.bigint(standing.open);
  rows.bigint(standing.closed);
  rows.bigint(lastId);
}

function addFinding(rows: BinaryRows, { id }: AsbbAccount, reading: AsbbReading, kind: string, detail: string): void {
  rows.row(7);
  rows.bigint(id);
  rows.text(kind);
  rows.text(reading.transactionId);
  rows.text(reading.jobId);
  rows.time(reading.at);
  rows.bigint(reading.amount);
  rows.text(detail);
}

/** The ids that we make; ASBB makes none like them. */
const OURS = /^txn_[0-9A-Z]{26}$/;

/** Which of ASBB's ids may be here already: of all others only where another ASBB has been here. */
async function doubtOf(sql: Sql): Promise<(transactionId: string) => boolean> {
  const [row] = await sql<
    { before: boolean }[]
  >`select exists (select from ledger.imports where source = 'asbb') as before`;
  return row?.before ? () => true : (transactionId) => OURS.test(transactionId);
}

async function takenAmong(sql: Sql, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return [];
  const rows = await sql<{ id: string }[]>`
    select id from unnest(${ids}::text[]) id
    where exists (select from ledger.transactions where transaction_id = id) or exists (select from ledger.holds where hold_id = id)`;
  return rows.map(({ id }) => id);
}

// Reporting -------------------------------------------------------------------------------------------------------------

async function summarise(sql: Sql) {
  const [totals] = await sql<{ accounts: number; accountsHere: number; limits: number; moneyBack: bigint }[]>`
    select (select count(*) from ledger.asbb_accounts)::int as accounts,
      (select count(*) from ledger.asbb_accounts s join ledger.accounts a using (name)
       join ledger.imported_accounts i on i.account_no = a.account_no and i.origin = ledger.asbb_origin(s))::int as "accountsHere",
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

async function clusterOf(sql: Sql, no: number) {
  const [cluster] = await sql<{ name: string; defaultPartition: string }[]>`
    select name, coalesce(default_partition, '') as "defaultPartition" from ledger.clusters where cluster_no = ${no}`;
  if (!cluster) throw new Error(`there is no cluster of the number ${no}`);
  return { no, ...cluster };
}

/** Notes that it goes on, so that a run that died is known. */
async function begin(sql: Sql, { database, ...settings }: Asked, at: Instant): Promise<bigint> {
  const [row] = await sql<{ importNo: bigint }[]>`
    insert into ledger.imports (source, name, settings, actor, begun_at)
    values ('asbb', ${database}, ${JSON.stringify(settings)}::text::jsonb, ${ACTOR}, ${at})
    returning import_no as "importNo"`;
  if (!row) throw new Error('the import has no number');
  return row.importNo;
}
