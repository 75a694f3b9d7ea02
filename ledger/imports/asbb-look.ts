/** Goes through all that ASBB wrote: what a person should know of it, and what keeps it from being imported. */
import { asbbAccountProblem, asbbProblem, canBeKept, findAsbbFaults } from '../../domain/asbb-findings';
import type { AsbbReading, AsbbStanding } from '../../domain/asbb-readings';
import type { Instant } from '../../domain/time';
import { BinaryRows, copyIn, OpenCopy } from '../../platform/copy-in';
import type { Sql } from '../../platform/postgres';
import type { AsbbPlan } from '../contract/imports';
import { ask } from '../errors';
import type { AccountRead, AsbbAccount } from './asbb-accounts';
import type { FirstBooks } from './asbb-books';

/** What keeps a database from being imported is told so often. */
const PROBLEMS_TOLD = 1000;

type Problem = AsbbPlan['problems'][number];

/**
 * Lists what a person should know of it in the staging tables, and returns what keeps it from being imported. What has no fault is written
 * into the first books on the way.
 */
export async function lookThrough(
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

export const problemsOfAccounts = (sql: Sql) => sql<Problem[]>`select subject, problem from ledger.asbb_problems()`;

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
