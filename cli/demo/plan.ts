/**
 * What the demo sets up for a log: prices, and so much money for each account that most jobs can run and some cannot.
 *
 * The money is found by playing the log through once in memory with the engine's own pricing: an account's need is the most
 * that is settled and held at one moment. The busiest accounts get a little less than that, the others enough.
 */
import type { ClusterTerms } from '../../domain/meter';
import { estimate } from '../../domain/price';
import type { DatedRate } from '../../domain/tariff';
import { cutUsage, type UsageSlice } from '../../domain/usage';
import { MICRO_PER_UNIT, ZERO, parseAmount, renderAmount, toMicro, type Micro } from '../../domain/money';
import type { LoggedJob } from '../../domain/sacct-jobs';
import { isLastOf, timelineOf } from './timeline';

export const UNIT = 'USD';
const HOLD_MULTIPLIER = '1.2';

/** Invented, but of the right size: dollars an hour. */
const PRICES: Readonly<Record<string, string>> = { cpu: '0.04', mem: '0.004', gpu: '0.75' };
const GPU_PRICES: Readonly<Record<string, string>> = { a100: '1.60', h100: '3.20', h200: '3.80', v100: '0.60' };

export interface PlannedRate {
  resource: string;
  price: string;
}

export interface PlannedAccount {
  name: string;
  /** Decimal string. */
  budget: string;
  /** What one of its partitions may use of that. */
  cap?: { partition: string; limit: string };
  jobs: number;
  /** Jobs that this money will not be enough for, if nothing comes in between. */
  denials: number;
}

export interface Plan {
  rates: PlannedRate[];
  accounts: PlannedAccount[];
  /** What each job will hold, by its number; undefined where it cannot be priced. */
  holds: ReadonlyMap<number, Micro | undefined>;
}

export function makePlan(jobs: readonly LoggedJob[]): Plan {
  const rates = ratesFor(jobs);
  const priced = jobs.map((job) => priceJob(job, rates));
  const byAccount = new Map<string, PricedJob[]>();
  for (const entry of priced) byAccount.set(entry.job.account, [...(byAccount.get(entry.job.account) ?? []), entry]);
  const accounts = [...byAccount].sort(([a, one], [b, two]) => two.length - one.length || (a < b ? -1 : 1));
  let tightLeft = Math.ceil(accounts.length / 2);
  let capsLeft = 1;
  return {
    rates,
    accounts: accounts.map(([name, own]) => {
      const { need } = play(own, {});
      const isTight =
        tightLeft > 0 &&
        own.length >= JOBS_TO_BE_TIGHT &&
        need > LEAST &&
        play(own, { budget: roundBelow(need) }).close <= CLOSE_AT_MOST;
      if (isTight) tightLeft -= 1;
      const budget = isTight ? roundBelow(need) : roundAbove((need * 5n) / 4n);
      const cap = !isTight && capsLeft > 0 ? capFor(own) : undefined;
      if (cap) capsLeft -= 1;
      const { denials } = play(own, { budget, ...(cap ? { cap } : {}) });
      return {
        name,
        budget: renderAmount(budget),
        ...(cap ? { cap: { partition: cap.partition, limit: renderAmount(cap.limit) } } : {}),
        jobs: own.length,
        denials,
      };
    }),
    holds: new Map(priced.map(({ job, hold }) => [job.number, hold])),
  };
}

// Prices ----------------------------------------------------------------------------------------------------------------

/** Only what the log uses: memory that nobody recorded needs no price. */
function ratesFor(jobs: readonly LoggedJob[]): PlannedRate[] {
  const resources = jobs.flatMap(({ components }) => components.map((component) => component.resources));
  const models = new Set(resources.flatMap(({ gpusByModel }) => Object.keys(gpusByModel)));
  return [
    { resource: 'cpu', price: PRICES.cpu as string },
    ...(resources.some(({ memoryMib }) => memoryMib > 0) ? [{ resource: 'mem', price: PRICES.mem as string }] : []),
    ...(resources.some(({ gpus }) => gpus > 0) ? [{ resource: 'gpu', price: PRICES.gpu as string }] : []),
    ...[...models].sort().flatMap((model) => {
      const price = GPU_PRICES[model];
      return price === undefined ? [] : [{ resource: `gpu:${model}`, price }];
    }),
  ];
}

const EVER = '1970-01-01T00:00:00Z';

interface PricedJob {
  job: LoggedJob;
  hold: Micro | undefined;
  cost: Micro;
}

function priceJob(job: LoggedJob, rates: readonly PlannedRate[]): PricedJob {
  const cluster: ClusterTerms = {
    name: job.cluster,
    unpriced: 'deny',
    pricePreset: 'asbb-compat',
    holdMultiplier: HOLD_MULTIPLIER,
    minimumCharge: ZERO,
    partitions: [],
  };
  const dated = datedRates(job.cluster, rates);
  let hold: bigint | undefined = 0n;
  for (const { partition, resources, wallSeconds, unlimited } of job.components) {
    const request = { partition, resources, fromTres: true, wallSeconds, unlimited, arrayTasks: job.arrayTasks };
    const answer = estimate(request, cluster, dated, UNIT, job.submittedAt);
    hold = answer.refusal || hold === undefined ? undefined : hold + answer.hold;
  }
  let cost = 0n;
  for (const slices of runsOf(job)) {
    const usage = cutUsage({ partition: job.components[0]?.partition ?? '', slices }, cluster, dated, UNIT, 'UTC');
    if (!('quarantined' in usage)) cost += usage.total;
  }
  return { job, hold: hold === undefined ? undefined : toMicro(hold), cost: toMicro(cost) };
}

/** What each run of a job had, and when. What it is suspended for makes little difference to how much money there should be. */
function runsOf({ events }: LoggedJob): UsageSlice[][] {
  const runs = new Map<string, UsageSlice[]>();
  for (const { type, at, task, startedAt, resources } of events) {
    if (startedAt === undefined || type === 'suspended' || type === 'resumed') continue;
    const name = `${task ?? ''}/${startedAt}`;
    const slices = runs.get(name) ?? [];
    runs.set(name, slices);
    const last = slices.at(-1);
    if (last) last.endsAt = at;
    if (type === 'started' || type === 'resized') slices.push({ startsAt: at, endsAt: at, resources });
  }
  return [...runs.values()];
}

/** One array for each cluster: the engine indexes a list of rates once. */
const datedLists = new WeakMap<readonly PlannedRate[], Map<string, DatedRate[]>>();

function datedRates(cluster: string, rates: readonly PlannedRate[]): DatedRate[] {
  const lists = datedLists.get(rates) ?? new Map<string, DatedRate[]>();
  datedLists.set(rates, lists);
  const known = lists.get(cluster);
  if (known) return known;
  const list = rates.map(({ resource, price }): DatedRate => {
    return { cluster, resource, unit: UNIT, rate: parseAmount(price), startsAt: EVER, endsAt: null };
  });
  lists.set(cluster, list);
  return list;
}

// Money -----------------------------------------------------------------------------------------------------------------

interface Cap {
  partition: string;
  limit: bigint;
}

/** Plays an account's jobs with so much money; without a budget, with endlessly much. */
function play(
  priced: readonly PricedJob[],
  { budget, cap }: { budget?: bigint; cap?: Cap },
): { need: bigint; denials: number; close: number } {
  const byNumber = new Map(priced.map((entry) => [entry.job.number, entry]));
  const open = new Set<number>();
  let [used, capped, need, denials, close] = [0n, 0n, 0n, 0, 0];
  for (const occurrence of timelineOf(priced.map(({ job }) => job))) {
    const { job, hold, cost } = byNumber.get(occurrence.job.number) as PricedJob;
    const inCap = partitionOf(job) === cap?.partition;
    if (hold === undefined) continue;
    if (occurrence.what === 'submit') {
      const tooMuch = budget !== undefined && used + hold > budget;
      if (budget !== undefined && used + hold > budget - budget / 20n) close += 1;
      if (tooMuch || (cap && inCap && capped + hold > cap.limit)) denials += 1;
      else {
        open.add(job.number);
        used += hold;
        capped += inCap ? hold : 0n;
      }
    } else if (isLastOf(occurrence) && open.delete(job.number)) {
      used += cost - hold;
      capped += inCap ? cost - hold : 0n;
    }
    if (used > need) need = used;
  }
  return { need, denials, close };
}

const partitionOf = (job: LoggedJob): string | undefined => job.components[0]?.partition;

/** On the partition that costs most, if there are several. */
function capFor(priced: readonly PricedJob[]): Cap | undefined {
  const partitions = [...new Set(priced.flatMap(({ job }) => partitionOf(job) ?? []))];
  if (partitions.length < 2) return undefined;
  const needs = partitions.map((partition) => {
    return {
      partition,
      need: play(
        priced.filter(({ job }) => partitionOf(job) === partition),
        {},
      ).need,
    };
  });
  const [most] = needs.sort((a, b) => (a.need < b.need ? 1 : -1));
  if (!most || most.need <= LEAST) return undefined;
  const jobs = priced.filter(({ job }) => partitionOf(job) === most.partition).length;
  return jobs <= CLOSE_AT_MOST ? { partition: most.partition, limit: roundBelow(most.need) } : undefined;
}

const LEAST = MICRO_PER_UNIT;

/** With fewer jobs, one denial would be most of what an account does. */
const JOBS_TO_BE_TIGHT = 5;

/** Jobs that may be asked for with less than a twentieth of the money left. */
const CLOSE_AT_MOST = 60;

/** The step of the second digit: 1_234 -> 100. */
const stepOf = (amount: bigint): bigint => 10n ** BigInt(Math.max(0, amount.toString().length - 2));

/** The largest round amount below. */
const roundBelow = (amount: bigint): bigint => ((amount - 1n) / stepOf(amount)) * stepOf(amount);

/** A round amount that is enough, and not less than one. */
const roundAbove = (amount: bigint): bigint =>
  amount < LEAST ? LEAST : (amount / stepOf(amount) + 1n) * stepOf(amount);
