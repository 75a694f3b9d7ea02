/** The whole story of a job, for people. */
import type { TransactionId } from '../../domain/ids';
import { ZERO } from '../../domain/money';
import { runSeconds } from '../../domain/runs';
import { instantOfMicros } from '../../domain/time';
import type { Sql } from '../../platform/postgres';
import { accruedOf } from '../accrual';
import { bookFor } from '../advance';
import { chapterOf, tellWithPrices } from '../chapters';
import type { Holds, JobRun, JobStory, Movements } from '../contract';
import { ask } from '../errors';
import type { PriceBooks } from '../price-book';
import { readLoneChanges } from '../slurm/lone-changes';
import { readRefusedChanges } from '../slurm/refused-changes';
import { loadManyFacts, type LedgerFacts } from '../story-facts';
import { readDecision } from './decisions';
import { jobOf, type AskedRow } from './rows';
import { eventsOf, readEvents } from './told';

/** The newest; a large array has several of each of its tasks. */
const TRANSACTIONS_TOLD = 1_000;

export interface JobsDeps {
  sql: Sql;
  prices: PriceBooks;
  holds: Pick<Holds, 'read'>;
  movements: Pick<Movements, 'list'>;
}

export async function readStory(row: AskedRow, { sql, prices, holds, movements }: JobsDeps): Promise<JobStory> {
  const [events, decision, refusedChanges, loneChanges] = await Promise.all([
    readEvents(sql, row).then((rows) => eventsOf(rows, row)),
    readDecision(sql, row),
    readRefusedChanges(sql, row),
    readLoneChanges(sql, row),
  ]);
  if (row.holdId === null || row.leaderNo === null) {
    return {
      ...jobOf(row, ZERO),
      ...(decision ? { decision } : {}),
      runs: [],
      refusedChanges,
      loneChanges,
      events,
      transactions: [],
    };
  }
  const [facts, hold, transactions] = await Promise.all([
    loadManyFacts(sql, [row.leaderNo]).then((found) => found.get(row.leaderNo as bigint)),
    holds.read(row.holdId),
    movements.list({ holdId: row.holdId }, { limit: TRANSACTIONS_TOLD }),
  ]);
  if (!facts) throw new Error(`job ${row.jobId} is bound to a hold that is not there`);
  const book = await bookFor(facts, prices);
  const told = tellWithPrices(facts, book, { scheduler: 'absent' });
  const chapter = chapterOf(facts, told.story);
  const missing = [...told.unpriced.values()].join('; ');
  return {
    // Of what was given up nothing accrues any more: the story would be open if anything could still be charged.
    ...jobOf(row, told.story.isOver ? ZERO : accruedOf(facts, book, told.story.runs)),
    state: told.story.state,
    ...(decision ? { decision } : {}),
    hold,
    runs: await runsOf(sql, facts, told.story.runs),
    refusedChanges,
    loneChanges,
    events,
    transactions: transactions.rows.toReversed(),
    ...(transactions.nextCursor === undefined ? {} : { hasEarlierTransactions: true as const }),
    ...(chapter.closed ? {} : { waitsFor: missing === '' ? chapter.waitsFor : `${chapter.waitsFor} (${missing})` }),
    ...(told.story.deadline === undefined ? {} : { deadline: instantOfMicros(told.story.deadline) }),
  };
}

async function runsOf(
  sql: Sql,
  facts: LedgerFacts,
  storyRuns: ReturnType<typeof tellWithPrices>['story']['runs'],
): Promise<JobRun[]> {
  const ids = await transactionIdsOf(
    sql,
    facts.charges.map(({ chargeNo }) => chargeNo),
  );
  return storyRuns.map(({ run, runKey }) => {
    const charge = facts.charges.find((candidate) => candidate.runKey === runKey);
    const transactionId = charge && ids.get(charge.chargeNo);
    return {
      runKey,
      task: run.task,
      ...(run.startedAt === undefined ? {} : { startedAt: instantOfMicros(run.startedAt) }),
      ...(run.endedAt === undefined ? {} : { endedAt: instantOfMicros(run.endedAt) }),
      ...(run.endState === undefined ? {} : { endState: run.endState }),
      runSeconds: runSeconds(run, run.endedAt ?? run.supersededAt ?? facts.now),
      ...(charge && transactionId
        ? {
            charge: {
              transactionId,
              amount: charge.amount,
              refunded: charge.refunded,
              source: charge.isReported ? 'reported' : charge.source,
            },
          }
        : {}),
    };
  });
}

async function transactionIdsOf(sql: Sql, txnNos: readonly bigint[]): Promise<Map<bigint, TransactionId>> {
  if (txnNos.length === 0) return new Map();
  const rows = await ask(
    () => sql<{ txn_no: bigint; transaction_id: TransactionId }[]>`
      select txn_no, transaction_id from ledger.transactions where txn_no = any (${txnNos.map(String)}::bigint[])`,
  );
  return new Map(rows.map(({ txn_no, transaction_id }) => [txn_no, transaction_id]));
}
