/**
 * A house for the tests of job stories: one cluster at 1 USD per node-hour and hold multiplier 1.2, one account with money,
 * and a clock that the tests move. Events are said with times relative to its noon.
 */
import { ulid } from 'ulid';
import type { JobRequest } from '../../domain/job';
import { parseAmount, renderAmount, type Micro } from '../../domain/money';
import { instantOfMicros, epochMicros } from '../../domain/time';
import { openLedger } from '../../ledger/index';
import type { AdvanceOptions, Caller, CheckRequest, EventReceipt, JobEvent, Ledger } from '../../ledger/contract';
import type { Sql } from '../../platform/postgres';
import { freshDatabase } from '../helpers/database';

export const usd = (amount: string): Micro => parseAmount(amount);

export const CALLER: Caller = { principal: 'local' };

/** Noon of an ordinary day. `clock(90)` is ninety minutes later. */
export const NOON = '2026-03-02T12:00:00Z';
export const clock = (minutes: number, seconds = 0): string =>
  instantOfMicros(epochMicros(NOON) + BigInt(minutes * 60 + seconds) * 1_000_000n);

export const job = (changes: Partial<JobRequest> = {}): JobRequest => ({
  partition: 'batch',
  resources: { nodes: 1, cpus: 8, gpus: 0, gpusByModel: {}, memoryMib: 0 },
  fromTres: true,
  wallSeconds: 4 * 3600,
  unlimited: false,
  arrayTasks: 1,
  ...changes,
});

export interface JobsHouse extends AsyncDisposable {
  url: string;
  sql: Sql;
  ledger: Ledger;
  /** Holds for a job of four node-hours (4.80 USD held) at noon, unless the changes say otherwise. Returns the hold's id. */
  hold(changes?: Partial<JobRequest>, request?: Partial<CheckRequest>, caller?: Caller): Promise<string>;
  /** Records events of job 4711 on the cluster, as one batch. */
  say(...events: (Partial<JobEvent> & Pick<JobEvent, 'type'>)[]): Promise<EventReceipt[]>;
  advance(holdId: string, options?: AdvanceOptions): Promise<Awaited<ReturnType<Ledger['jobs']['advance']>>>;
  /** placed, held, charged, released of a hold as decimal strings, and its status. */
  money(holdId: string): Promise<{ status: string; held: string; charged: string; released: string }>;
  /** Fails unless the books balance. */
  books(): Promise<void>;
}

export async function openJobsHouse(
  options: { cluster?: Parameters<Ledger['catalog']['putCluster']>[1]; limit?: string; poolSize?: number } = {},
): Promise<JobsHouse> {
  const database = await freshDatabase({ poolSize: options.poolSize ?? 4 });
  const { sql } = database;
  const ledger = openLedger(sql, { defaultCluster: 'hpc' });
  await ledger.catalog.putCluster('hpc', { timeZone: 'UTC', ...options.cluster }, CALLER);
  await ledger.catalog.setRate(
    {
      cluster: 'hpc',
      resource: 'node',
      unit: 'USD',
      rate: usd('1'),
      startsAt: '2020-01-01T00:00:00Z',
      endsAt: null,
      source: 'test',
    },
    CALLER,
  );
  await ledger.accounts.create(
    {
      name: 'physics',
      unit: 'USD',
      title: 'Physics',
      startsAt: '2020-01-01T00:00:00Z',
      endsAt: '2099-01-01T00:00:00Z',
      budgetLimit: usd(options.limit ?? '1000'),
    },
    CALLER,
  );
  return {
    url: database.url,
    sql,
    ledger,

    async hold(changes = {}, request = {}, caller = CALLER) {
      const decision = await ledger.admission.check(
        { account: 'physics', components: [job(changes)], user: 'rkaur', at: NOON, ...request },
        caller,
      );
      if (!decision.holdId) throw new Error(`the hold was refused: ${decision.message}`);
      return decision.holdId;
    },

    say: (...events) =>
      ledger.jobs.recordEvents(
        events.map((event) => ({ cluster: 'hpc', jobId: '4711', at: NOON, ...event })),
        CALLER,
      ),

    advance: (holdId, advanceOptions) => ledger.jobs.advance(holdId, advanceOptions),

    async money(holdId) {
      const { status, held, charged, released } = await ledger.holds.read(holdId);
      return {
        status,
        held: renderAmount(held),
        charged: renderAmount(charged),
        released: renderAmount(released),
      };
    },

    async books() {
      const report = await ledger.audit.run();
      expect(report.findings).toEqual([]);
      expect(report.difference).toBe('0');
    },

    [Symbol.asyncDispose]: () => database.drop(),
  };
}

export const key = (): Caller => ({ principal: 'local', key: ulid(), bodyHash: Buffer.from('body') });
