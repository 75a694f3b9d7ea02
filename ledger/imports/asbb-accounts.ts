/** ASBB's accounts with all their transactions, as they come out of its database, in batches of whole accounts. */
import { setImmediate } from 'node:timers/promises';
import { readAsbb, standingOf } from '../../domain/asbb-readings';
import type { AsbbClock, AsbbReading, AsbbStanding, AsbbTransaction } from '../../domain/asbb-readings';
import { toMicro, type Micro } from '../../domain/money';
import { epochMicros, type Instant } from '../../domain/time';
import { BinaryFields } from '../../platform/copy-out';
import type { Sql } from '../../platform/postgres';
import { readAccountId, readTransaction } from './asbb-source';

/** Transactions that are worked on together, for some hundredths of a second. An account that has more is a batch of its own. */
const BATCH_ROWS = 20_000;
const BATCH_ACCOUNTS = 500;

export interface AsbbAccount {
  id: number;
  name: string;
  /** Undefined: beyond what any number of ours can be. */
  limit: Micro | undefined;
  /** Microseconds since 1970. NaN: it never does, which keeps it out. */
  startsAt: number;
  /** An earlier run has booked it. */
  isHere: boolean;
}

interface AccountRows {
  account: AsbbAccount;
  /** In the order of their ids. */
  transactions: AsbbTransaction[];
}

/** An account, understood. */
export interface AccountRead {
  account: AsbbAccount;
  readings: AsbbReading[];
  standing: AsbbStanding;
}

/** Those that were staged, in the order of their ids. */
export async function readAccounts(sql: Sql): Promise<AsbbAccount[]> {
  const rows = await sql<
    { id: number; name: string; limit: bigint | null; startsAt: Instant | null; isHere: boolean }[]
  >`
    select s.id::float8 as id, s.name, s.limit_micro as limit, case when isfinite(s.starts_at) then s.starts_at end as "startsAt", i.origin is not null as "isHere"
    from ledger.asbb_accounts s
    left join ledger.accounts a using (name)
    left join ledger.imported_accounts i on i.account_no = a.account_no and i.origin = ledger.asbb_origin(s)
    order by s.id`;
  return rows.map(({ limit, startsAt, ...account }) => ({
    ...account,
    limit: limit === null ? undefined : toMicro(limit),
    startsAt: startsAt === null ? NaN : Number(epochMicros(startsAt)),
  }));
}

/** Understands the transactions as they come. Every account comes once, also one without any. */
export async function* readInBatches(
  accounts: readonly AsbbAccount[],
  pieces: AsyncIterable<Buffer>,
  clock: AsbbClock,
): AsyncGenerator<AccountRead[]> {
  for await (const batch of inBatches(accounts, pieces)) {
    const read: AccountRead[] = [];
    for (const { account, transactions } of batch) {
      const readings = readAsbb(transactions, clock);
      read.push({ account, readings, standing: standingOf(readings) });
      await setImmediate(); // Whatever is on its way goes on.
    }
    yield read;
  }
}

async function* inBatches(
  accounts: readonly AsbbAccount[],
  pieces: AsyncIterable<Buffer>,
): AsyncGenerator<AccountRows[]> {
  const left = accounts.values();
  let batch: AccountRows[] = [];
  let [rows, current] = [0, next()];
  function next(): AccountRows | undefined {
    const account = left.next().value;
    if (!account) return undefined;
    const made = { account, transactions: [] };
    batch.push(made);
    return made;
  }
  for await (const piece of pieces) {
    const fields = new BinaryFields(piece);
    while (fields.nextRow()) {
      const accountId = readAccountId(fields);
      const transaction = readTransaction(fields);
      while (current && current.account.id < accountId) {
        if (rows >= BATCH_ROWS || batch.length >= BATCH_ACCOUNTS) {
          yield batch;
          [batch, rows] = [[], 0];
        }
        current = next();
      }
      current?.transactions.push(transaction);
      rows += 1;
    }
  }
  while (current) {
    if (batch.length >= BATCH_ACCOUNTS) {
      yield batch;
      batch = [];
    }
    current = next();
  }
  if (batch.length > 0) yield batch;
}
