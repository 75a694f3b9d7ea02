/**
 * What a job of a log asks of the ledger, worked out before anything is asked: the item with which its money would be held, and
 * the acts of its story, each at its time. Prices are those of admission and of settlement, and only domain/story.ts says
 * what is due; what a yes or a no is, the ledger's own functions say later.
 */
import { Fault } from '../../domain/faults';
import { given } from '../../domain/given';
import type { TransactionId } from '../../domain/ids';
import { divideHalfEven, toMicro, ZERO, type Micro } from '../../domain/money';
import { refundTermsOf } from '../../domain/refund';
import type { RunEvent } from '../../domain/runs';
import type { SacctEvent } from '../../domain/sacct';
import { rankOf, type LoggedJob } from '../../domain/sacct-jobs';
import type { estimate } from '../../domain/price';
import { epochMicros } from '../../domain/time';
import { makeItem, priceRequest, type AccountTerms, type Item, type Priced } from '../admission-item';
import { tellWithPrices } from '../chapters';
import type { CheckRequest, PriceBook } from '../contract';
import type { NumberedCluster } from '../price-book';
import type { Act } from '../settlement';
import type { LedgerFacts } from '../story-facts';

export const ACTOR = 'replay';

/** Where a job is paid from. */
export interface AccountFacts extends AccountTerms {
  name: string;
  accountNo: bigint;
  rootNo: bigint;
  onRequeueShortfall: LedgerFacts['account']['onRequeueShortfall'];
}

/** What its story does at one moment. */
export interface Deed {
  at: bigint;
  rank: number;
  acts: Act[];
}

export interface PlannedJob {
  item: Item;
  /** All its components together. */
  held: Micro;
  deeds: Deed[];
  /** What it cost when it ran. */
  cost: Micro;
  /** It ran, and the proposal has no price for it: its money would stay held until somebody enters one. */
  unpriced?: string;
  /** One component that admission can decide together with others. */
  isOrdinary: boolean;
  /** Its deeds only ever give money back to what it holds: none takes more than its share of the hold. */
  staysWithinHold: boolean;
}

export interface PlanningTerms {
  account: AccountFacts;
  book: PriceBook;
  cluster: NumberedCluster;
  estimate: typeof estimate;
}

/** Throws a `Fault` where a check of it would. */
export function planJob(job: LoggedJob, terms: PlanningTerms): PlannedJob {
  const request: CheckRequest = {
    account: job.account,
    cluster: job.cluster,
    components: job.components.map(({ partition, resources, wallSeconds, unlimited }) => ({
      partition,
      resources,
      fromTres: true,
      wallSeconds,
      unlimited,
      arrayTasks: job.arrayTasks,
    })),
    at: job.submittedAt,
    jobId: job.jobId,
    ...(job.user === undefined ? {} : { user: job.user }),
    ...(job.name === undefined ? {} : { jobName: job.name }),
  };
  const priced = priceRequest(request, terms, terms.estimate);
  const item = makeItem(request, { principal: ACTOR }, terms, priced);
  const { deeds, unpriced } = item.pre_refusal ? { deeds: [] } : deedsOf(job, request, item, priced, terms);
  const charges = deeds.flatMap(({ acts }) => acts.flatMap((act) => (act.act === 'charge' ? [costOf(act)] : [])));
  const [least] = priced.estimates.map(({ hold }) => hold).sort((a, b) => (a < b ? -1 : 1));
  const share = (least ?? ZERO) / BigInt(job.arrayTasks);
  return {
    item,
    held: toMicro(priced.estimates.reduce((sum, { hold }) => sum + hold, 0n)),
    deeds,
    cost: toMicro(charges.reduce((sum: bigint, cost) => sum + cost, 0n)),
    ...(unpriced === undefined ? {} : { unpriced }),
    isOrdinary: item.pre_refusal === null && item.hold_ids.length === 1,
    staysWithinHold:
      charges.every((cost) => cost <= share) &&
      charges.length <= job.arrayTasks * job.components.length &&
      deeds.every(({ acts }) => acts.every(onlyGivesBack)),
  };
}

const onlyGivesBack = (act: Act): boolean =>
  act.act === 'charge' ||
  act.act === 'close' ||
  act.act === 'refund' ||
  (act.act === 'resize' && act.direction === 'down');

export const costOf = ({ request }: Extract<Act, { act: 'charge' }>): bigint =>
  request.pieces.reduce((sum, { amount_micro }) => sum + BigInt(amount_micro), 0n);

/** Tells the story again after each of its events, as a doorbell would, and writes down what was due. */
function deedsOf(
  job: LoggedJob,
  request: CheckRequest,
  item: Item,
  priced: Priced,
  terms: PlanningTerms,
): { deeds: Deed[]; unpriced?: string } {
  const facts = factsOf(request, item, priced, terms);
  const runsAgain = job.events.some(({ type }) => type === 'requeued');
  const deeds: Deed[] = [];
  let unpriced: string | undefined;
  for (const [index, event] of job.events.entries()) {
    facts.events.push(runEventOf(job, event, index, facts));
    // A first start moves no money; a later one may ask again for what a requeue did not get.
    if (event.type === 'started' && !runsAgain) continue;
    facts.now = epochMicros(event.at);
    const acts: Act[] = [];
    for (;;) {
      const told = tellWithPrices(facts, terms.book, { scheduler: 'asked', actor: ACTOR });
      unpriced ??= [...told.unpriced.values()][0];
      const news = told.acts.filter(({ act }) => act !== 'overdue' && act !== 'meter');
      if (news.length === 0) {
        facts.handledThrough = told.story.handledThrough;
        break;
      }
      for (const act of news) remember(act, facts);
      facts.handledThrough = told.story.handledThrough;
      acts.push(...news);
      if (facts.holds.every(({ status }) => status !== 'open')) break;
    }
    if (acts.length > 0) deeds.push({ at: facts.now, rank: rankOf(job, event), acts });
  }
  return { deeds, ...(unpriced === undefined ? {} : { unpriced }) };
}

/** The books after an act, as far as a story looks at them. */
function remember(act: Act, facts: LedgerFacts): void {
  if (act.act === 'charge') {
    const { run_key: runKey, hold_id, started_at } = act.request;
    facts.charges.push({
      chargeNo: BigInt(facts.charges.length + 1),
      runKey,
      holdNo: facts.holds.find(({ holdId }) => holdId === hold_id)?.holdNo ?? facts.leaderNo,
      amount: toMicro(costOf(act)),
      refunded: ZERO,
      source: act.request.source,
      isReported: false,
      isMetered: true,
      ...(started_at === null ? {} : { startedAt: epochMicros(started_at) }),
    });
  } else if (act.act === 'refund') {
    const { run_key: runKey, numerator, denominator } = act.request;
    const charge = facts.charges.find((each) => each.runKey === runKey);
    if (charge) charge.refunded = toMicro(divideHalfEven(charge.amount * BigInt(numerator), BigInt(denominator)));
  } else if (act.act === 'close') {
    const hold = facts.holds.find(({ holdId }) => holdId === act.hold_id);
    if (hold) hold.status = facts.charges.some(({ holdNo }) => holdNo === hold.holdNo) ? 'settled' : 'released';
  }
}

function factsOf(
  request: CheckRequest,
  item: Item,
  priced: Priced,
  { account, book, cluster }: PlanningTerms,
): LedgerFacts {
  const at = epochMicros(priced.at);
  const { name, endGraceSeconds, reconciliationTimeoutSeconds, timeZone } = cluster;
  return {
    leaderNo: 1n,
    now: at,
    cluster: { name, endGraceSeconds, reconciliationTimeoutSeconds, refunds: refundTermsOf(cluster) },
    timeZone,
    catalogVersion: book.version,
    account: {
      name: account.name,
      unit: account.unit,
      onRequeueShortfall: account.onRequeueShortfall,
      ...(account.multiplierMicro === null ? {} : { holdMultiplier: priced.estimates[0]?.holdMultiplier ?? '1' }),
    },
    holds: request.components.map((component, index) => {
      const estimate = priced.estimates[index];
      const wallSeconds = estimate?.wallSeconds || component.wallSeconds;
      return {
        holdNo: BigInt(index + 1),
        holdId: item.hold_ids[index] as TransactionId,
        partition: component.partition,
        ...(request.user === undefined ? {} : { user: request.user }),
        status: 'open' as const,
        placed: estimate?.hold ?? ZERO,
        held: estimate?.hold ?? ZERO,
        charged: ZERO,
        released: ZERO,
        late: false,
        closedByHand: false,
        effectiveAt: at,
        placedAt: at,
        // A log has no reported costs to wait for: what they would have been settled with provisionally is by usage too.
        costSource: 'usage' as const,
        arrayTasks: component.arrayTasks,
        request: component,
        resources: component.resources,
        ...(wallSeconds ? { wallSeconds } : {}),
      };
    }),
    events: [],
    charges: [],
    jobs: [],
    handledThrough: 0n,
  };
}

function runEventOf(job: LoggedJob, event: SacctEvent, index: number, facts: LedgerFacts): RunEvent {
  const at = epochMicros(event.at);
  return {
    eventNo: BigInt(index + 1),
    type: event.type,
    jobId: job.jobId,
    holdNo: facts.leaderNo,
    submittedAt: epochMicros(job.submittedAt),
    task: event.task ?? '',
    at,
    recordedAt: at,
    ...(event.startedAt === undefined ? {} : { startedAt: epochMicros(event.startedAt) }),
    resources: event.resources,
    ...given({
      endState: event.endState,
      cancelledBy: event.cancelledBy,
      uid: event.uid,
      suspendedSeconds: event.suspendedSeconds,
    }),
  };
}

export const isFault = (error: unknown): error is Fault => error instanceof Fault;
