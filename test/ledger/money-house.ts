/** A house for the tests of money: one cluster, accounts at will, jobs that are held and charged, and the books at the end. */
import { monotonicFactory } from 'ulid';
import { parseAmount, type Micro } from '../../domain/money';
import type { ChargePiece } from '../../domain/usage';
import type { RunCharge } from '../../ledger/charges';
import type { Account, AccountSettings, Caller, Ledger } from '../../ledger/contract';
import { ask } from '../../ledger/errors';
import { openLedger } from '../../ledger/index';
import { freshDatabase, type TestDatabase } from '../helpers/database';
import { chargeRun, type ChargedRun } from './charge-door';

export const usd = (text: string): Micro => parseAmount(text);

export const CALLER: Caller = { principal: 'local' };

/** A caller with a key; the body is named by any text. */
export const keyed = (key: string, body = 'body'): Caller => ({ principal: 'local', key, bodyHash: Buffer.from(body) });

const nextUlid = monotonicFactory();

export interface MoneyHouse {
  database: TestDatabase;
  ledger: Ledger;
  account(name: string, settings?: Partial<AccountSettings> & { unit?: string }): Promise<Account>;
  /** Holds an amount as a check would, at the given time. */
  hold(account: string, amount: Micro, options?: HoldOptions): Promise<string>;
  /** The same, with the code of the decision. */
  tryHold(account: string, amount: Micro, options?: HoldOptions): Promise<{ code: string; holdId: string }>;
  charge(run: Partial<RunCharge> & { runKey: string; cost?: Micro; at?: string; until?: string }): Promise<ChargedRun>;
}

export interface HoldOptions {
  partition?: string;
  user?: string;
  at?: string;
}

export const START = '2026-01-01T00:00:00Z';
export const END = '2099-01-01T00:00:00Z';

export async function openMoneyHouse(): Promise<MoneyHouse> {
  const database = await freshDatabase();
  const { sql } = database;
  const ledger = openLedger(sql);
  const [cluster] = await sql<{ cluster_no: number }[]>`
    insert into ledger.clusters (name, time_zone) values ('hpc', 'UTC') returning cluster_no`;
  if (!cluster) throw new Error('no cluster');

  const tryHold: MoneyHouse['tryHold'] = async (account, amount, options = {}) => {
    const { partition = 'batch', user = 'rkaur', at = null } = options;
    const holdId = `txn_${nextUlid()}`;
    const item = {
      n: 0,
      account,
      principal: 'local',
      cluster_no: cluster.cluster_no,
      user,
      at,
      hold_ids: [holdId],
      partitions: [partition],
      amounts: [amount.toString()],
      request: {},
    };
    const [placed] = await ask(
      () => sql<{ outcome: string; answer: { code: string } }[]>`
        select outcome, answer from ledger.place_holds(${JSON.stringify([item])}::text::jsonb)`,
    );
    if (placed?.outcome !== 'decided') throw new Error(`the hold was not decided: ${placed?.outcome}`);
    return { code: placed.answer.code, holdId };
  };

  return {
    database,
    ledger,
    account: (name, { unit = 'USD', ...settings } = {}) =>
      ledger.accounts.create({ name, unit, title: name, startsAt: START, endsAt: END, ...settings }, CALLER),

    tryHold,

    async hold(account, amount, options) {
      const { code, holdId } = await tryHold(account, amount, options);
      if (code !== 'placed') throw new Error(`the hold was not placed: ${code}`);
      return holdId;
    },

    charge({ cost, at = '2026-02-01T00:00:00Z', until, ...run }) {
      const pieces: ChargePiece[] = cost === undefined ? [] : [{ startsAt: at, endsAt: until ?? at, amount: cost }];
      return chargeRun(sql, {
        jobId: run.runKey.split('/')[1] ?? run.runKey,
        partition: 'batch',
        user: 'rkaur',
        source: 'usage',
        actor: 'test',
        ...(run.holdId === undefined && { cluster: 'hpc' }),
        pieces,
        ...run,
      });
    },
  };
}
