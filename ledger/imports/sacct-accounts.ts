/** Whose the runs of an accounting log are: its names of accounts, mapped, looked up, and made where the site wants that. */
import { isAccountName } from '../../domain/account-name';
import { addDays, startOfDay } from '../../domain/time';
import type { Sql } from '../../platform/postgres';
import { openAccounts } from '../accounts';
import type { NewAccounts, SacctSettings } from '../contract/imports';
import { ask } from '../errors';
import { ACTOR } from './lock';

export interface RunAccount {
  /** 0: it will be made; a dry run only says so. */
  no: bigint;
  name: string;
  unit: string;
}

/** `left_out`: the map says so. `unknown`: Bursar has none of that name. */
export type Whose = RunAccount | 'left_out' | 'unknown';

export interface LogAccounts {
  /** Looks up the names that are new. Afterwards `of` knows them. */
  learn(names: Iterable<string>): Promise<void>;
  of(name: string): Whose;
  /** Made, or to be made, in the order in which the log names them. */
  readonly made: readonly string[];
}

type Settings = Pick<SacctSettings, 'accountMap' | 'newAccounts' | 'apply'>;

export function openLogAccounts(sql: Sql, { accountMap, newAccounts, apply }: Settings, timeZone: string): LogAccounts {
  const known = new Map<string, Whose>();
  const made: string[] = [];

  async function find(names: readonly string[]): Promise<Map<string, RunAccount>> {
    const rows = await ask(
      () =>
        sql<RunAccount[]>`select account_no as no, name, unit from ledger.accounts where name = any (${[...names]})`,
    );
    return new Map(rows.map((row) => [row.name, row]));
  }

  /** In Bursar's words. */
  const nameOf = (name: string): string => accountMap.get(name) ?? name;

  return {
    made,
    of: (name) => known.get(name) ?? 'unknown',
    async learn(names) {
      const unseen = [...names].filter((name) => !known.has(name));
      if (unseen.length === 0) return;
      const found = await find([...new Set(unseen.map(nameOf))]);
      for (const name of unseen) {
        const account = nameOf(name);
        if (account === '') known.set(name, accountMap.has(name) ? 'left_out' : 'unknown');
        else known.set(name, found.get(account) ?? 'unknown');
        if (known.get(name) !== 'unknown' || account === '' || newAccounts.policy === 'leave') continue;
        // Its runs are left out as those of any that Bursar does not have; the others are not held up.
        if (!isAccountName(account)) continue;
        const fresh = apply ? await create(sql, account, newAccounts, timeZone) : { no: 0n, name: account };
        found.set(account, { ...fresh, unit: newAccounts.unit });
        known.set(name, { ...fresh, unit: newAccounts.unit });
        made.push(account);
      }
    },
  };
}

async function create(
  sql: Sql,
  name: string,
  { unit, start, end, budget }: Extract<NewAccounts, { policy: 'create' }>,
  timeZone: string,
): Promise<Pick<RunAccount, 'no' | 'name'>> {
  const startsAt = startOfDay(start, timeZone);
  const endsAt = startOfDay(addDays(end, 1), timeZone);
  const settings = { title: name, timeZone, startsAt, endsAt, budgetLimit: budget };
  await openAccounts({ sql }).create({ name, unit, ...settings }, { principal: ACTOR });
  const [row] = await ask(
    () => sql<{ no: bigint }[]>`select account_no as no from ledger.accounts where name = ${name}`,
  );
  if (!row) throw new Error(`the account ${name} was made and is not there`);
  return { no: row.no, name };
}
