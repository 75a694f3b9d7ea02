/**
 * Deposits, withdrawals, transfers, refunds, adjustments, expiry. Each is one call of the SQL function of its name, which
 * holds the rules, the lock and the key; what it made is then read back as the transaction it is.
 */
import type { Sql } from '../platform/postgres';
import type { Movements, Transaction } from './contract';
import { ask } from './errors';
import { listTransactions, readTransaction, readTransactionNo } from './transactions';

interface Made {
  answer: { txn_no: number };
}

export function openMovements({ sql }: { sql: Sql }): Movements {
  const made = async (command: () => PromiseLike<Made[]>): Promise<Transaction> => {
    const [row] = await ask(command);
    if (!row) throw new Error('the ledger answered nothing');
    const txnNo = BigInt(row.answer.txn_no);
    return ask(() => readTransactionNo(sql, txnNo));
  };

  return {
    deposit: (request, { principal, key = null, bodyHash = null }) => {
      const { account, amount, unit = null, opensAt = null, closesAt = null, fundId = null } = request;
      const { source = null, label = null, description = null, effectiveAt = null } = request;
      return made(
        () => sql`
          select ledger.deposit(${account}, ${amount}, ${unit}, ${opensAt}, ${closesAt}, ${fundId}, ${source}, ${label},
            ${description}, ${effectiveAt}, ${principal}, ${key}, ${bodyHash}) as answer`,
      );
    },

    withdraw: (request, { principal, key = null, bodyHash = null }) => {
      const { account, amount, unit = null, fundId = null, description = null } = request;
      return made(
        () => sql`
          select ledger.withdraw(${account}, ${amount}, ${unit}, ${fundId}, ${description}, ${principal}, ${key},
            ${bodyHash}) as answer`,
      );
    },

    transfer: (request, { principal, key = null, bodyHash = null }) => {
      const { from, to, amount, unit = null, opensAt = null, closesAt = null, description = null } = request;
      return made(
        () => sql`
          select ledger.transfer(${from}, ${to}, ${amount}, ${unit}, ${opensAt}, ${closesAt}, ${description}, ${principal},
            ${key}, ${bodyHash}) as answer`,
      );
    },

    refund: ({ transactionId, amount, description = null }, { principal, key = null, bodyHash = null }) =>
      made(
        () => sql`
          select ledger.refund(${transactionId}, ${amount}, ${description}, ${principal}, ${key}, ${bodyHash}) as answer`,
      ),

    adjust: ({ transactionId, amount, description }, { principal, key = null, bodyHash = null }) =>
      made(
        () => sql`
          select ledger.adjust(${transactionId}, ${amount}, ${description}, ${principal}, ${key}, ${bodyHash}) as answer`,
      ),

    expireFunds: () => expireFunds(sql),
    list: (filter, page) => ask(() => listTransactions(sql, filter, page)),
    read: (transactionId) => ask(() => readTransaction(sql, transactionId)),
  };
}

/** Account by account, each in its own short transaction: a sweep never holds up more than one tree. */
async function expireFunds(sql: Sql): Promise<number> {
  const due = await ask(
    () => sql<{ account_no: bigint; now: string }[]>`
      select distinct account_no, now() as now
      from ledger.funds
      where source <> 'overdraft' and closes_at <= now() and granted_micro > settled_micro + held_micro
      order by account_no`,
  );
  let funds = 0;
  for (const { account_no, now } of due) {
    const [row] = await ask(
      () => sql<{ funds: number }[]>`select ledger.expire_funds(${account_no}, ${now}, 'expiry') as funds`,
    );
    funds += row?.funds ?? 0;
  }
  return funds;
}
