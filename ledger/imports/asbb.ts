/**
 * An ASBB database moves over: its accounts are staged, its transactions understood as they are read, account by account, and reported.
 * Into an empty ledger they are written on the way, in one transaction that ends once it is said that they should be; into another one
 * in batches of whole accounts, each in one transaction, when all has been read without a fault. Both understand alike, so a dry run
 * says exactly what a real one does; and since a finished account is remembered, a run that died is simply run again.
 */
import { malformed } from '../../domain/faults';
import { epochMicros, MICROS_PER_SECOND, readTimeZone, type Instant } from '../../domain/time';
import type { Sql } from '../../platform/postgres';
import type { AsbbBalance, AsbbFinding, AsbbPlan, AsbbSettings, Imported, Progress } from '../contract/imports';
import { ask } from '../errors';
import { readAccounts, readInBatches, type AccountRead, type AsbbAccount } from './asbb-accounts';
import { bookBeside, withFirstBooks, type Books, type FirstBooks } from './asbb-books';
import { lookThrough, problemsOfAccounts } from './asbb-look';
import { balances, everyFinding, findings, summarise } from './asbb-report';
import { atOneMoment, readTransactions, requireAsbb, stageAsbb } from './asbb-source';
import { readCluster, type FreshCluster, type ImportCluster } from './cluster';
import { ACTOR, quietly, withImportLock } from './lock';

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

type Tell = (progress: Progress) => void;

/**
 * Reads ASBB's database, hands what it would do to `use`, and clears the staging tables. One import at a time.
 * Throws `malformed_request` where that is no ASBB database of version 3, or the settings do not fit an import that waits to
 * be finished; `cluster_not_found`.
 */
export async function withAsbbImport<T>(
  { sql, source, fresh }: { sql: Sql; source: Sql; fresh?: FreshCluster | undefined },
  settings: AsbbSettings,
  onProgress: Tell,
  use: (asbb: AsbbImport) => Promise<T>,
): Promise<T> {
  return withImportLock(sql, async () => {
    const cluster = await readCluster(sql, settings.cluster, fresh);
    await clear(sql);
    try {
      return await atOneMoment(source, async (snapshot) => {
        const task = await prepare({ sql, snapshot, cluster }, settings, onProgress);
        return withFirst(task, settings.apply, async (first) => {
          const problems = await lookThrough(sql, task.read('reading transactions'), task.run.at, first);
          return use({
            plan: { ...task.plan, ...(await summarise(sql)), problems },
            findings: (limit) => ask(() => findings(sql, limit)),
            everyFinding: (see) => everyFinding(sql, see),
            balances: (limit) => ask(() => balances(sql, limit)),
            apply: () => apply(task, problems, first),
          });
        });
      });
    } finally {
      // What failed before is what is told; the next run clears them anyhow.
      await quietly(() => clear(sql));
    }
  });
}

const clear = (sql: Sql) => sql.unsafe(`truncate ${STAGING.join(', ')}`);

/** An import that has begun: everything but the transactions is staged. */
interface Task {
  sql: Sql;
  run: Run;
  asked: Asked;
  accounts: AsbbAccount[];
  plan: Asked & Pick<AsbbPlan, 'clusterIsNew' | 'transactions' | 'at' | 'resumes'>;
  /** All of ASBB's transactions, understood, from the beginning. */
  read(step: string): AsyncIterable<AccountRead[]>;
  /** Makes the cluster where there is none yet. */
  books(): Promise<Books>;
  tell: Tell;
}

async function prepare(
  { sql, snapshot, cluster }: { sql: Sql; snapshot: Sql; cluster: ImportCluster },
  { unit, correct, ...settings }: AsbbSettings,
  tell: Tell,
): Promise<Task> {
  const { database, transactions } = await requireAsbb(snapshot);
  const timeZone = readTimeZone(settings.timeZone ?? cluster.timeZone);
  const asked = { database, unit, cluster: settings.cluster, timeZone, correct };
  const run = await runToResume(sql, asked);
  await stageAsbb(snapshot, sql, tell);
  await requireSettingsOfBefore(sql, asked);
  const accounts = await readAccounts(sql);
  const { at } = run;
  const clock = { now: Number(epochMicros(at)), timeout: cluster.timeoutSeconds * Number(MICROS_PER_SECOND) };
  return {
    ...{ sql, run, asked, accounts, tell },
    plan: { ...asked, clusterIsNew: cluster.isNew, transactions, at, resumes: run.importNo !== undefined },
    read(step) {
      const pieces = readTransactions(snapshot, (done) => tell({ step, done, of: transactions }));
      return readInBatches(accounts, pieces, clock);
    },
    books: async () => ({ unit, timeZone, correct, cluster: await find(sql, await cluster.number()), at, clock }),
  };
}

/** Hands over the first books, where it is to be applied, nothing of the accounts is in the way, and the ledger is empty. */
async function withFirst<T>(
  { sql, accounts, books }: Task,
  isWanted: boolean,
  use: (first: FirstBooks | undefined) => Promise<T>,
): Promise<T> {
  if (!isWanted || (await problemsOfAccounts(sql)).length > 0) return use(undefined);
  return withFirstBooks(sql, accounts, await books(), use);
}

async function apply(
  { sql, run, asked, read, books, plan, tell }: Task,
  problems: AsbbPlan['problems'],
  first: FirstBooks | undefined,
): Promise<Imported> {
  if (problems.length > 0) throw malformed(`The database ${asked.database} cannot be imported.`);
  const importNo = async (connection: Sql) => run.importNo ?? begin(connection, asked, run.at);
  if (first) tell({ step: 'building the indexes of transactions', done: plan.transactions });
  const imported = first
    ? await ask(() => first.commit(importNo))
    : await bookBeside(sql, read('booking'), await books(), await ask(() => importNo(sql)));
  await sql`update ledger.imports set finished_at = clock_timestamp() where source = 'asbb' and finished_at is null`;
  return imported;
}

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

/** Accounts that are here stay as they were booked: other settings would be said to have had effect, and have none. */
async function requireSettingsOfBefore(sql: Sql, { database, ...settings }: Asked): Promise<void> {
  const [before] = await sql<{ at: Instant; settings: object }[]>`
    select r.begun_at as at, r.settings
    from ledger.asbb_accounts s
    join ledger.accounts a on a.name = s.name
    join ledger.imported_accounts i on i.account_no = a.account_no and i.origin = ledger.asbb_origin(s)
    join ledger.imports r using (import_no)
    where r.settings <> ${JSON.stringify(settings)}::text::jsonb
    limit 1`;
  if (!before) return;
  throw malformed(
    `Accounts of the database ${database} were imported at ${before.at} with other settings, and stay as they were booked then: ${JSON.stringify(before.settings)}. With these settings it can be imported again, for what is new; single charges are corrected with bursar adjust.`,
  );
}

async function find(sql: Sql, no: number) {
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
