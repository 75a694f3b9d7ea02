/** Budgets, rates and policies as somebody proposes them, and how a throwaway database gets them: by the ledger's own commands. */
import { Fault } from '../../domain/faults';
import type { Micro } from '../../domain/money';
import { epochMicros, type Instant } from '../../domain/time';
import type { Sql } from '../../platform/postgres';
import type { AccountSettings, Caller, ClusterSettings, Partition, Rate } from '../contract';
import { openLedger } from '../index';
import type { PriceBook } from '../contract';
import { openEstimates } from './estimates';
import { ACTOR, type AccountFacts } from './plan-job';

export interface Proposal {
  clusters: ProposedCluster[];
  /** In any order. */
  accounts: ProposedAccount[];
}

export interface ProposedCluster {
  name: string;
  settings: Partial<ClusterSettings> & Pick<ClusterSettings, 'timeZone'>;
  partitions: Partition[];
  rates: Omit<Rate, 'rateNo' | 'cluster'>[];
}

export interface ProposedAccount {
  name: string;
  unit: string;
  settings: Pick<AccountSettings, 'title' | 'startsAt' | 'endsAt'> & Partial<AccountSettings>;
  deposits: { amount: Micro; opensAt: Instant; closesAt: Instant; label?: string }[];
  limits: { partition?: string; user?: string; limit: Micro; opensAt?: Instant; closesAt?: Instant }[];
}

/** The books of a proposal before the first job, as far as a replay looks at them by itself. */
export interface OpenedBooks {
  book: PriceBook;
  /** By that book. */
  estimate: ReturnType<typeof openEstimates>;
  accounts: Map<string, AccountFacts>;
  /** Every moment at which an account, a fund or a limit opens or closes, ascending: between two of them no clock matters. */
  edges: bigint[];
  /** Trees with an account that has money in more than one fund at once, and in which stretches between edges. */
  hasOneFund: (rootNo: bigint, epoch: number) => boolean;
}

const by: Caller = { principal: ACTOR };
const AT_ONCE = 5;

/** Makes clusters, rates, accounts, money and limits. Says what the ledger refuses, and of whom. */
export async function openBooks(sql: Sql, proposal: Proposal): Promise<OpenedBooks> {
  const { catalog, accounts, movements } = openLedger(sql);
  for (const { name, settings, partitions, rates } of proposal.clusters) {
    await about(`cluster ${name}`, async () => {
      await catalog.createCluster(name, settings, by);
      for (const partition of partitions) await catalog.putPartition(name, partition, by);
      // Of one resource the earlier first: each ends the one before it.
      for (const rate of [...rates].sort((a, b) => (epochMicros(a.startsAt) < epochMicros(b.startsAt) ? -1 : 1))) {
        await catalog.setRate({ ...rate, cluster: name }, by);
      }
    });
  }
  for (const level of levelsOf(proposal.accounts)) {
    await inParallel(level, ({ name, unit, settings, deposits, limits }) =>
      about(`account ${name}`, async () => {
        await accounts.create({ name, unit, ...settings }, by);
        for (const deposit of deposits) {
          await movements.deposit({ account: name, ...deposit, effectiveAt: deposit.opensAt }, by);
        }
        for (const limit of limits) await accounts.setLimit(name, limit, by);
      }),
    );
  }
  await sql`analyze ledger.accounts, ledger.account_totals, ledger.funds, ledger.limits`;
  return { book: await catalog.priceBook(), estimate: openEstimates(), ...(await readBooks(sql)) };
}

async function about<T>(whom: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    throw new Fault(error.code, `${whom}: ${error.message}`, { cause: error });
  }
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  const one = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
}

/** Those without a parent, then those below them, and so on. Whoever wrote the proposal has made sure that there is no circle. */
function levelsOf(accounts: readonly ProposedAccount[]): ProposedAccount[][] {
  const levels: ProposedAccount[][] = [];
  let left = [...accounts];
  const made = new Set<string>();
  while (left.length > 0) {
    const level = left.filter(
      ({ settings: { parent } }) => parent === undefined || parent === null || made.has(parent),
    );
    if (level.length === 0) throw new Error('the parents of accounts go round in a circle');
    for (const { name } of level) made.add(name);
    left = left.filter(({ name }) => !made.has(name));
    levels.push(level);
  }
  return levels;
}

type Window = { rootNo: bigint; accountNo: bigint; opensAt: Instant; closesAt: Instant };

async function readBooks(sql: Sql): Promise<Omit<OpenedBooks, 'book' | 'estimate'>> {
  const accounts = await sql<(AccountFacts & { startsAt: Instant; endsAt: Instant })[]>`
    select name, account_no as "accountNo", root_no as "rootNo", unit, hold_multiplier_micro as "multiplierMicro",
      on_requeue_shortfall as "onRequeueShortfall", starts_at as "startsAt", ends_at as "endsAt"
    from ledger.accounts`;
  const funds = await sql<Window[]>`
    select a.root_no as "rootNo", a.account_no as "accountNo", f.opens_at as "opensAt", f.closes_at as "closesAt"
    from ledger.funds f join ledger.accounts a using (account_no)
    where f.source <> 'overdraft' and f.granted_micro > 0`;
  const limits = await sql<{ opensAt: Instant | null; closesAt: Instant | null }[]>`
    select opens_at as "opensAt", closes_at as "closesAt" from ledger.limits`;
  const times = [
    ...accounts.flatMap(({ startsAt, endsAt }) => [startsAt, endsAt]),
    ...funds.flatMap(({ opensAt, closesAt }) => [opensAt, closesAt]),
    ...limits.flatMap(({ opensAt, closesAt }) => [opensAt, closesAt]),
  ].filter((at): at is Instant => at !== null && !at.endsWith('infinity'));
  const edges = [...new Set(times.map(epochMicros))].sort((a, b) => (a < b ? -1 : 1));
  const crowded = crowdedStretches(funds, edges);
  return {
    accounts: new Map(accounts.map(({ startsAt: _s, endsAt: _e, ...account }) => [account.name, account])),
    edges,
    hasOneFund: (rootNo, epoch) => !crowded.get(rootNo)?.some(([from, to]) => from <= epoch && epoch < to),
  };
}

/** How many of the edges lie at or before a moment. */
export function epochOf(edges: readonly bigint[], at: bigint): number {
  let [low, high] = [0, edges.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((edges[middle] as bigint) <= at) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** By tree, the stretches in which two funds of one account are open. */
function crowdedStretches(funds: readonly Window[], edges: readonly bigint[]): Map<bigint, [number, number][]> {
  const byAccount = new Map<bigint, { rootNo: bigint; from: number; to: number }[]>();
  const indexOf = (at: Instant) => (at.endsWith('infinity') ? Infinity : epochOf(edges, epochMicros(at)));
  for (const { rootNo, accountNo, opensAt, closesAt } of funds) {
    const own = byAccount.get(accountNo) ?? [];
    own.push({ rootNo, from: opensAt === '-infinity' ? 0 : indexOf(opensAt), to: indexOf(closesAt) });
    byAccount.set(accountNo, own);
  }
  const crowded = new Map<bigint, [number, number][]>();
  for (const own of byAccount.values()) {
    own.sort((a, b) => a.from - b.from);
    let reach = -Infinity;
    for (const { rootNo, from, to } of own) {
      if (from < reach) crowded.set(rootNo, [...(crowded.get(rootNo) ?? []), [from, Math.min(reach, to)]]);
      reach = Math.max(reach, to);
    }
  }
  return crowded;
}
