/**
 * A database as ASBB v0.2.0 leaves it, of our own making: its tables in version 3, its trigger that keeps the balances, and
 * what its service writes when it is asked. It links no charge to a hold, so held never falls; nothing stops a second charge.
 */
import { ASBB_TABLES } from '../../bench/asbb-tables';
import { connectPostgres, type Sql } from '../../platform/postgres';
import { freshDatabase } from './database';

export interface AsbbAccount {
  limit: string;
  start?: string;
  end?: string;
  status?: string;
  created?: string;
}

export interface Asbb extends AsyncDisposable {
  url: string;
  sql: Sql;
  account(name: string, account: AsbbAccount): Promise<void>;
  /** Writes one transaction as ASBB does; returns its id, which ends in what it is called here. */
  write(account: string, transaction: AsbbTransaction): Promise<string>;
  /** Two steps of a job, as ASBB writes them: the hold, and a charge with a refund of the difference. */
  job(account: string, job: AsbbJob): Promise<{ hold: string; charge?: string; refund?: string }>;
}

export interface AsbbTransaction {
  type: 'hold' | 'charge' | 'refund' | 'adjustment';
  amount: string;
  at: string;
  jobId?: string;
  status?: string;
  parent?: string;
  description?: string;
  metadata?: object;
}

export interface AsbbJob {
  jobId: string;
  held: string;
  at: string;
  /** Undefined: never reconciled. */
  cost?: string;
  refund?: string;
  ended?: string;
}

export async function openAsbb(): Promise<Asbb> {
  const database = await freshDatabase({ empty: true });
  const { url } = database;
  const sql = connectPostgres({ url, poolSize: 2 });
  await sql.unsafe(ASBB_TABLES);
  let serial = 0;

  const write: Asbb['write'] = async (account, { type, amount, at, jobId, status, parent, description, metadata }) => {
    serial += 1;
    const id = `txn_${BigInt(Date.parse(at)) * 1_000_000n + BigInt(serial)}_${serial}`;
    await sql`
      insert into budget_transactions (
        transaction_id, account_id, job_id, type, amount, description, metadata, status, parent_transaction_id, created_at)
      select ${id}, id, ${jobId ?? null}, ${type}, ${amount}, ${description ?? `${type} of ${jobId ?? 'a job'}`},
        ${metadata === undefined ? null : JSON.stringify(metadata)}::text::jsonb, ${status ?? 'completed'}, ${parent ?? null}, ${at}
      from budget_accounts where slurm_account = ${account}`;
    return id;
  };

  return {
    url,
    sql,
    write,
    async account(name, { limit, start, end, status, created }) {
      await sql`
        insert into budget_accounts (slurm_account, name, budget_limit, start_date, end_date, status, created_at)
        values (${name}, ${`The ${name} lab`}, ${limit}, ${start ?? '2026-01-01T00:00:00Z'}, ${end ?? '2099-01-01T00:00:00Z'},
          ${status ?? 'active'}, ${created ?? '2026-01-01T00:00:00Z'})`;
    },
    async job(account, { jobId, held, at, cost, refund, ended = at }) {
      const hold = await write(account, {
        type: 'hold',
        amount: held,
        at,
        description: 'Budget hold for job submission',
      });
      if (cost === undefined) return { hold };
      const charge = await write(account, {
        type: 'charge',
        amount: cost,
        at: ended,
        jobId,
        description: `Actual cost for job ${jobId}`,
      });
      if (refund === undefined) return { hold, charge };
      const back = await write(account, {
        type: 'refund',
        amount: refund,
        at: ended,
        jobId,
        description: `Refund for job ${jobId}`,
      });
      return { hold, charge, refund: back };
    },
    async [Symbol.asyncDispose]() {
      await sql.end({ timeout: 5 });
      await database.drop();
    },
  };
}
