/**
 * A check as place_holds takes it: priced from what is in memory, with the ids its holds will have, and with everything that
 * ledger.decisions keeps of it.
 */
import { randomFillSync } from 'node:crypto';
import { monotonicFactory } from 'ulid';
import { heed, type Advice, type AdviceNote, type AdvicePolicy } from '../domain/advice';
import { Fault } from '../domain/faults';
import type { TransactionId } from '../domain/ids';
import { addMicro, renderAmount, type Micro } from '../domain/money';
import { estimate, type Estimate } from '../domain/price';
import { roundUp, times, fractionOfDecimal } from '../domain/rational';
import type { Refusal } from '../domain/refusal';
import { instantOfMs, readTimeIn, type Instant } from '../domain/time';
import type { AdvisorQuestion, Caller, CheckRequest, EstimateNote, PriceBook, Spares } from './contract';
import type { RecordedRequest } from './decision';
import type { NumberedCluster } from './price-book';

/** Unit and hold multiplier of an account. */
export interface AccountTerms {
  unit: string;
  /** The account's own, in millionths; null: the cluster's. */
  multiplierMicro: bigint | null;
}

/** What a request is priced by. */
export interface PricingTerms {
  account: AccountTerms;
  book: PriceBook;
  cluster: NumberedCluster;
}

/** One item of place_holds. */
export interface Item {
  principal: string;
  key: string | null;
  body_hash: string | null;
  account: string;
  unit: string;
  multiplier: string | null;
  catalog: string;
  at: Instant | null;
  user: string | null;
  cluster_no: number;
  pre_refusal: Refusal | null;
  hold_ids: TransactionId[];
  partitions: string[];
  amounts: string[];
  request: RecordedRequest;
}

/** A hold for a request that is likely to be made again at once: place_holds holds it where there is money in plenty. */
export interface SpareItem extends Item {
  key: string;
  spare_seconds: number;
  /** Key of the request that it is like; where that one has had its answer before, there are no spares. */
  beside: string | null;
}

/** A request with what each of its components will cost. */
export interface Priced {
  /** The time it asked for, and how that was read; undefined: now. */
  asked?: { at: Instant; note?: string };
  at: Instant;
  estimates: Estimate[];
  advisor?: AdviceNote;
}

/** `price`: what says what `estimate` says. */
export function priceRequest(
  request: CheckRequest,
  { account, book, cluster }: PricingTerms,
  price: typeof estimate = estimate,
): Priced {
  const asked = request.at === undefined ? undefined : readTimeIn(request.at, cluster.timeZone);
  const at = asked?.at ?? instantOfMs(Date.now());
  const own = account.multiplierMicro === null ? {} : { holdMultiplier: renderAmount(account.multiplierMicro) };
  const estimates = request.components.map((component) => price(component, cluster, book.rates, account.unit, at, own));
  return { ...(asked && { asked }), at, estimates };
}

/** What an advisor is asked about a request, a component each; undefined where there is nothing to ask. */
export function questionsOf(
  request: CheckRequest,
  { account }: PricingTerms,
  { asked, estimates }: Priced,
): AdvisorQuestion[] | undefined {
  if (estimates.some(({ refusal }) => refusal?.code === 'time_limit_missing')) return undefined;
  return request.components.map(({ partition, resources }, index) => ({
    account: request.account,
    unit: account.unit,
    partition,
    nodes: resources.nodes,
    cpus: resources.cpus,
    gpus: resources.gpus,
    memoryMib: resources.memoryMib,
    wallSeconds: estimates[index]?.wallSeconds ?? 0,
    ...(request.jobScript === undefined ? {} : { jobScript: request.jobScript }),
    ...(asked === undefined ? {} : { at: asked.at }),
  }));
}

/** The same request, priced by the advisor or by what stands in for it. */
export function advised(
  request: CheckRequest,
  { account, book, cluster }: PricingTerms,
  priced: Priced,
  advice: readonly Advice[],
  policy: AdvicePolicy,
): Priced {
  const own = { cluster, rates: book.rates, unit: account.unit, at: priced.at };
  const { estimates, note } = heed(priced.estimates, request.components, advice, own, policy);
  return { ...priced, estimates, advisor: note };
}

const nextUlid = monotonicFactory(bufferedRandom());

export const newHoldId = (): TransactionId => `txn_${nextUlid()}`;

export function makeItem(
  request: CheckRequest,
  caller: Caller,
  { account, book, cluster }: PricingTerms,
  { asked, estimates, advisor }: Priced,
): Item {
  const first = estimates[0];
  if (!first) throw new Fault('malformed_request', 'A check asks for at least one component.');
  const refused = estimates.find(({ refusal }) => refusal?.code === 'time_limit_missing') ?? estimates.find(isRefused);
  const amounts = estimates.map(({ hold }) => hold.toString());
  const uncapped = first.hold === cluster.holdCap ? uncappedHold(first) : first.hold;
  return {
    principal: caller.principal,
    key: caller.key ?? null,
    body_hash: caller.bodyHash === undefined ? null : Buffer.from(caller.bodyHash).toString('hex'),
    account: request.account,
    unit: account.unit,
    multiplier: account.multiplierMicro === null ? null : account.multiplierMicro.toString(),
    catalog: book.version.toString(),
    at: asked?.at ?? null,
    user: request.user ?? null,
    cluster_no: cluster.clusterNo,
    pre_refusal: refused?.refusal ?? null,
    hold_ids: request.components.map(newHoldId),
    partitions: request.components.map(({ partition }) => partition),
    amounts,
    request: {
      account: request.account,
      cluster: cluster.name,
      ...(request.isSubmission ? { mode: cluster.enforcement } : {}),
      components: request.components,
      ...(request.user === undefined ? {} : { user: request.user }),
      ...(request.jobId === undefined ? {} : { jobId: request.jobId }),
      ...(request.jobName === undefined ? {} : { jobName: request.jobName }),
      unit: account.unit,
      timeZone: cluster.timeZone,
      estimated: addMicro(...estimates.map(({ estimated }) => estimated)).toString(),
      holdMultiplier: first.holdMultiplier,
      amounts,
      wallSeconds: estimates.map(({ wallSeconds }) => wallSeconds),
      ...(uncapped > first.hold ? { uncappedHold: uncapped.toString() } : {}),
      estimate: { ...noteOf(estimates), ...(advisor && { advisor }) },
      ...(asked === undefined ? {} : asked),
      ...(request.details === undefined ? {} : { details: request.details }),
    },
  };
}

/** The same once more for each of the keys. */
export const spareItems = (item: Item, { keys, seconds }: Spares): SpareItem[] =>
  keys.map((key) => ({
    ...item,
    key,
    body_hash: null,
    hold_ids: item.hold_ids.map(newHoldId),
    spare_seconds: seconds,
    beside: item.key,
  }));

const isRefused = ({ refusal }: Estimate): boolean => refusal !== undefined;

const uncappedHold = ({ cost, holdMultiplier }: Estimate): Micro =>
  roundUp(times(cost, fractionOfDecimal(holdMultiplier)));

/** How all components together were priced: as sure as the least sure of them. */
function noteOf(estimates: Estimate[]): EstimateNote {
  const [first] = estimates;
  const leastSure = estimates.reduce((least, one) => (one.confidence < least.confidence ? one : least));
  const recommendation = first?.recommendation ?? leastSure.recommendation;
  return {
    method: leastSure.method,
    confidence: leastSure.confidence,
    ...(recommendation === undefined ? {} : { recommendation }),
    lines:
      estimates.length === 1
        ? leastSure.lines
        : estimates.flatMap(({ lines }, index) => lines.map((line) => `component ${index}: ${line}`)),
    unbilled: [...new Set(estimates.flatMap(({ unbilled }) => unbilled))],
  };
}

/** Fractions from the system's random bytes, fetched by the page: one call a character cost more than pricing the job. */
function bufferedRandom(): () => number {
  const page = new Uint8Array(4096);
  let next = page.length;
  return () => {
    if (next === page.length) {
      randomFillSync(page);
      next = 0;
    }
    return (page[next++] ?? 0) / 256;
  };
}
