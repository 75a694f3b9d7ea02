/** Accounts by their names, and the one fault where there is none. */
import { Fault } from '../domain/faults';
import type { Sql } from '../platform/postgres';
import { ask } from './errors';

/** For filters by account: a list of nothing would say that the account is there and quiet. */
export async function requireAccount(sql: Sql, name: string): Promise<bigint> {
  const [row] = await ask(
    () => sql<{ account_no: bigint }[]>`select account_no from ledger.accounts where name = ${name}`,
  );
  if (!row) throw noSuchAccount(name);
  return row.account_no;
}

export const noSuchAccount = (name: string): Fault =>
  new Fault('account_not_found', `There is no account "${name}".`, { facts: { account: name } });
