/** Accounts: made, changed, archived, found. Their money is in balance.ts and statement.ts, their caps in limits.ts. */
import { parseAmount, renderAmount } from '../domain/money';
import type { Sql } from '../platform/postgres';
import { readBalance, readFunds, type Accruals } from './balance';
import type { Account, AccountSettings, Accounts, Page, Paged } from './contract';
import { ask } from './errors';
import { openLimits } from './limits';
import { cursorOf, pageOf, rowsAsked } from './paging';
import { noSuchAccount } from './require-account';
import { instantOf, microOf } from './rows';
import { readStatement } from './statement';

/** An account as ledger.describe_account writes it: amounts are texts of millionths. */
interface AccountRow {
  account_no: number;
  name: string;
  title: string;
  description: string;
  unit: string;
  time_zone: string;
  status: Account['status'];
  starts_at: string;
  ends_at: string;
  parent: string | null;
  subtree_limit_micro: string | null;
  on_exhaustion: Account['onExhaustion'];
  overdraft_limit_micro: string;
  on_requeue_shortfall: Account['onRequeueShortfall'];
  hold_multiplier_micro: string | null;
  overspent_at: string | null;
  created_at: string;
  updated_at: string;
  archived_at: string | null;
  granted_micro: string;
  settled_micro: string;
  held_micro: string;
  available_micro: string;
}

export interface AccountsDeps {
  sql: Sql;
  /** What running jobs have accrued; nothing where it is not given. */
  accruals?: Accruals;
}

export function openAccounts({ sql, accruals }: AccountsDeps): Accounts {
  /** Runs one command that answers with the account. */
  const changed = async (command: () => PromiseLike<{ answer: AccountRow }[]>): Promise<Account> => {
    const [row] = await ask(command);
    if (!row) throw new Error('the ledger answered nothing');
    return toAccount(row.answer);
  };

  return {
    create: ({ name, unit, ...settings }, { principal, key = null, bodyHash = null }) =>
      changed(
        () => sql`
          select ledger.create_account(${name}, ${unit}, ${settingsOf(settings)}::text::jsonb, ${principal}, ${key},
            ${bodyHash}) as answer`,
      ),

    update: (name, changes, { principal, key = null, bodyHash = null }) =>
      changed(
        () => sql`
          select ledger.update_account(${name}, ${settingsOf(changes)}::text::jsonb, ${principal}, ${key}, ${bodyHash})
            as answer`,
      ),

    read: async (name) => {
      const [row] = await ask(
        () => sql<{ answer: AccountRow }[]>`
          select ledger.describe_account(account_no, clock_timestamp()) as answer from ledger.accounts where name = ${name}`,
      );
      if (!row) throw noSuchAccount(name);
      return toAccount(row.answer);
    },

    list: (filter, page) => ask(() => listAccounts(sql, filter, page)),

    archive: async (name, { principal, key = null, bodyHash = null }) => {
      await ask(() => sql`select ledger.archive_account(${name}, true, ${principal}, ${key}, ${bodyHash})`);
    },

    unarchive: (name, { principal, key = null, bodyHash = null }) =>
      changed(() => sql`select ledger.archive_account(${name}, false, ${principal}, ${key}, ${bodyHash}) as answer`),

    balance: (name, at) => ask(() => readBalance(sql, name, { at, accruals })),
    statement: (name, from, to) => ask(() => readStatement(sql, name, from, to)),
    funds: (name) => ask(() => readFunds(sql, name)),
    ...openLimits({ sql }),
  };
}

/** Newest first. Archived accounts only where they are asked for. */
async function listAccounts(
  sql: Sql,
  filter: { status?: string; parent?: string; archived?: boolean },
  page: Page,
): Promise<Paged<Account>> {
  const { status = null, parent = null, archived = false } = filter;
  const rows = await sql<{ account_no: bigint; answer: AccountRow }[]>`
    select a.account_no, ledger.describe_account(a.account_no, clock_timestamp()) as answer
    from ledger.accounts a
    where (a.archived_at is not null) = ${archived}
      and (${status}::text is null or ${status} = case when a.status = 'active' and a.ends_at <= clock_timestamp() then 'expired' else a.status end)
      and (${parent}::text is null or a.parent_no = (select account_no from ledger.accounts where name = ${parent}))
      and a.account_no < ${cursorOf(page)}
    order by a.account_no desc
    limit ${rowsAsked(page)} offset ${page.offset ?? 0}`;
  const { rows: shown, ...next } = pageOf(rows, page, ({ account_no }) => account_no);
  return { rows: shown.map(({ answer }) => toAccount(answer)), ...next };
}

/** Settings as create_account and update_account read them: a key that is there is meant, null included. */
function settingsOf(settings: Partial<AccountSettings>): string {
  const { startsAt, endsAt, timeZone, subtreeLimit, onExhaustion, overdraftLimit, onRequeueShortfall } = settings;
  const { holdMultiplier, budgetLimit, title, description, status, parent } = settings;
  return JSON.stringify({
    title,
    description,
    status,
    parent,
    time_zone: timeZone,
    starts_at: startsAt,
    ends_at: endsAt,
    subtree_limit_micro: subtreeLimit?.toString() ?? subtreeLimit,
    on_exhaustion: onExhaustion,
    overdraft_limit_micro: overdraftLimit?.toString(),
    on_requeue_shortfall: onRequeueShortfall,
    hold_multiplier_micro: typeof holdMultiplier === 'string' ? parseAmount(holdMultiplier).toString() : holdMultiplier,
    budget_limit_micro: budgetLimit?.toString(),
  });
}

const toAccount = (row: AccountRow): Account => ({
  accountNo: row.account_no,
  name: row.name,
  title: row.title,
  description: row.description,
  unit: row.unit,
  timeZone: row.time_zone,
  status: row.status,
  startsAt: instantOf(row.starts_at),
  endsAt: instantOf(row.ends_at),
  ...(row.parent !== null && { parent: row.parent }),
  ...(row.subtree_limit_micro !== null && { subtreeLimit: microOf(row.subtree_limit_micro) }),
  onExhaustion: row.on_exhaustion,
  overdraftLimit: microOf(row.overdraft_limit_micro),
  onRequeueShortfall: row.on_requeue_shortfall,
  ...(row.hold_multiplier_micro !== null && { holdMultiplier: renderAmount(BigInt(row.hold_multiplier_micro)) }),
  ...(row.overspent_at !== null && { overspentAt: instantOf(row.overspent_at) }),
  createdAt: instantOf(row.created_at),
  updatedAt: instantOf(row.updated_at),
  ...(row.archived_at !== null && { archivedAt: instantOf(row.archived_at) }),
  granted: microOf(row.granted_micro),
  settled: microOf(row.settled_micro),
  held: microOf(row.held_micro),
  available: microOf(row.available_micro),
});
