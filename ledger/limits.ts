/** Caps within an account: of a partition, of a user ('*': every user), of a user in a partition. */
import { toMicro } from '../domain/money';
import type { Sql } from '../platform/postgres';
import type { Accounts, Limit } from './contract';
import { ask } from './errors';
import { noSuchAccount } from './require-account';

export interface LimitRow {
  partition: string | null;
  user_name: string | null;
  limit_micro: bigint;
  settled_micro: bigint;
  held_micro: bigint;
  opens_at: string | null;
  closes_at: string | null;
}

export const openLimits = ({ sql }: { sql: Sql }): Pick<Accounts, 'limits' | 'setLimit' | 'removeLimit'> => ({
  limits: async (name) => {
    const rows = await ask(
      () => sql<(LimitRow & { account_no: bigint })[]>`
        select a.account_no, l.partition, l.user_name, l.limit_micro, l.settled_micro, l.held_micro, l.opens_at, l.closes_at
        from ledger.accounts a
        left join ledger.limits l on l.account_no = a.account_no
        where a.name = ${name}
        order by l.user_name nulls first, l.partition nulls first`,
    );
    if (rows.length === 0) throw noSuchAccount(name);
    return rows.filter((row) => row.limit_micro !== null).map(toLimit);
  },

  setLimit: async (name, { partition, user, limit, opensAt, closesAt }, { principal, key = null, bodyHash = null }) => {
    const [row] = await ask(
      () => sql<LimitRow[]>`
        select partition, user_name, limit_micro, settled_micro, held_micro, opens_at, closes_at
        from ledger.set_limit(${name}, ${partition ?? null}, ${user ?? null}, ${limit}, ${opensAt ?? null}, ${closesAt ?? null},
          ${principal}, ${key}, ${bodyHash})`,
    );
    if (!row) throw new Error('ledger.set_limit answered nothing');
    return toLimit(row);
  },

  removeLimit: async (name, { partition, user }, { principal, key = null, bodyHash = null }) => {
    await ask(
      () => sql`
        select ledger.remove_limit(${name}, ${partition ?? null}, ${user ?? null}, ${principal}, ${key}, ${bodyHash})`,
    );
  },
});

export const toLimit = (row: LimitRow): Limit => ({
  ...(row.partition !== null && { partition: row.partition }),
  ...(row.user_name !== null && { user: row.user_name }),
  limit: toMicro(row.limit_micro),
  settled: toMicro(row.settled_micro),
  held: toMicro(row.held_micro),
  remaining: toMicro(row.limit_micro - row.settled_micro - row.held_micro),
  ...(row.opens_at !== null && { opensAt: row.opens_at }),
  ...(row.closes_at !== null && { closesAt: row.closes_at }),
});
