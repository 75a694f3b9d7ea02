/**
 * What an advisor says a job costs, and what its silence means. It speaks of the cost of a job before it runs and of nothing
 * else: what is held is its figure times the multiplier, every limit is looked at as ever, and what a run has cost in the end
 * comes from the cluster's rates or from whoever reports it.
 */
import { fallbackCost } from './fallback-cost';
import type { JobRequest } from './job';
import type { ClusterTerms } from './meter';
import { renderAmount, ZERO, type Micro } from './money';
import type { AdvisorFallback, FailureMode } from './policy';
import { amountsOf, sumLine, type Estimate } from './price';
import { NOTHING, fraction, roundHalfEven, type Fraction } from './rational';
import type { DatedRate } from './tariff';
import { compareInstants, type Instant } from './time';

/** Why an advisor did not speak; `not_asked` is no failure of its own. */
const SILENCES = [
  'timeout',
  'unreachable',
  'bad_status',
  'bad_answer',
  'error',
  'breaker_open',
  'busy',
  'not_asked',
] as const;
export type Silence = (typeof SILENCES)[number];

export const ADVICE_OUTCOMES = ['answered', 'cached', ...SILENCES] as const;
export type AdviceOutcome = (typeof ADVICE_OUTCOMES)[number];

/** The cost of one job, as the advisor says it: rounded half-even, with the numeral as it came (rulings 3). */
export interface AdvisedCost {
  cost: Micro;
  numeral: string;
  confidence: number;
  recommendation?: string;
}

export type Spoken = { outcome: 'answered' | 'cached' } & AdvisedCost;
/** `detail` goes on from "the advisor …". */
export type Silent = { outcome: Silence; detail: string };
export type Advice = Spoken | Silent;

/** What holds while the advisor is silent. */
export interface AdvicePolicy {
  failureMode: FailureMode;
  /** On clusters without rates. Undefined: their price preset, as if there were no advisor. */
  fallback?: AdvisorFallback;
  /** Of the fallback, in the account's unit for a CPU-hour. */
  fallbackRate: Micro;
}

/** Kept with the decision: did the advisor speak, and why not. */
export interface AdviceNote {
  outcome: AdviceOutcome;
  /** A sentence. */
  detail: string;
  /** What it said of each component, digit for digit. */
  numerals?: string[];
}

export interface Advised {
  estimates: Estimate[];
  note: AdviceNote;
}

/** What the cluster itself would say. */
export interface OwnPrices {
  cluster: ClusterTerms;
  rates: readonly DatedRate[];
  unit: string;
  at: Instant;
}

/**
 * The estimates of all components by whoever speaks: the advisor, if it has spoken of each of them, else nobody but what stands
 * in for it. `own` are the cluster's own estimates, one a component like `requests` and `advice`.
 */
export function heed(
  own: readonly Estimate[],
  requests: readonly JobRequest[],
  advice: readonly Advice[],
  prices: OwnPrices,
  policy: AdvicePolicy,
): Advised {
  const spoken = own.map((estimate, index) => spokenOf(estimate, requests[index], advice[index], prices));
  const silent = spoken.find(isSilent);
  if (silent) return withoutAdvice(own, requests, silent, prices, policy);

  const said = spoken.filter((each): each is Heard => !isSilent(each));
  const sum = said.reduce((total, { estimate }) => total + estimate.estimated, 0n);
  return {
    estimates: said.map(({ estimate }) => estimate),
    note: {
      outcome: said.every(({ by }) => by.outcome === 'cached') ? 'cached' : 'answered',
      detail: `The advisor estimated ${renderAmount(sum)} ${prices.unit}.`,
      numerals: said.map(({ by }) => by.numeral),
    },
  };
}

interface Heard {
  estimate: Estimate;
  by: Spoken;
}

const isSilent = (heard: Heard | Silent): heard is Silent => 'outcome' in heard;

const isSpoken = (advice: Advice): advice is Spoken => advice.outcome === 'answered' || advice.outcome === 'cached';

function spokenOf(
  own: Estimate,
  request: JobRequest | undefined,
  advice: Advice | undefined,
  { cluster, unit }: OwnPrices,
): Heard | Silent {
  if (!request || !advice) return { outcome: 'not_asked', detail: 'was not asked' };
  if (!isSpoken(advice)) return advice;
  const tasks = request.arrayTasks;
  const cost = fraction(advice.cost * BigInt(tasks));
  const amounts = amountsOf(cost, own.holdMultiplier, cluster);
  if (amounts === undefined) {
    return { outcome: 'bad_answer', detail: `named a cost that no account can hold (${advice.numeral})` };
  }
  const { refusal: _unpricedByRates, recommendation: _ofRates, ...kept } = own;
  const { confidence, recommendation } = advice;
  const lines = [
    `the advisor says ${renderAmount(advice.cost)} ${unit}${tasks > 1 ? ' a task' : ''}`,
    ...(tasks > 1 ? [`x ${tasks} array tasks`] : []),
    sumLine(amounts.estimated, unit, own.wallSeconds, cluster),
  ];
  return {
    by: advice,
    estimate: {
      ...kept,
      ...amounts,
      method: 'advisor',
      confidence,
      ...(recommendation === undefined ? {} : { recommendation }),
      lines,
      unbilled: [],
    },
  };
}

function withoutAdvice(
  own: readonly Estimate[],
  requests: readonly JobRequest[],
  silent: Silent,
  prices: OwnPrices,
  policy: AdvicePolicy,
): Advised {
  const why = `the advisor ${silent.detail}`;
  const note = (who: string): AdviceNote => ({ outcome: silent.outcome, detail: `${capital(why)}; ${who}.` });
  // Nobody failed here: it is as if there were no advisor.
  if (silent.outcome === 'not_asked') {
    return { estimates: [...own], note: note("the cluster's own prices were used") };
  }

  const refuse = (rest: string): Advised => ({
    estimates: own.map((estimate) => ({
      ...estimate,
      refusal: { code: 'advisor_unavailable', detail: `${why}, and ${rest}; try again in a moment.` },
    })),
    note: note('the job was refused'),
  });
  const { failureMode, fallback } = policy;
  if (failureMode === 'STRICT')
    return refuse('this site decides nothing without it (integration.failure_mode: STRICT)');

  const hasRates = isRated(prices);
  if (hasRates || fallback === undefined) {
    const estimates = own.map((estimate) => ownEstimate(estimate, why, failureMode));
    return { estimates, note: note("the cluster's own prices were used") };
  }
  if (fallback === 'NONE') {
    if (failureMode === 'GRACEFUL') return refuse(`${prices.cluster.name} has no rates of its own`);
    return { estimates: own.map((estimate) => unknownCost(estimate, why)), note: note('nobody knows the cost') };
  }
  const estimates = own.map((estimate, index) => byFormula(estimate, requests[index], fallback, why, prices, policy));
  return { estimates, note: note(`the fallback ${fallback} was used`) };
}

/** ASBB's words stay where ASBB's own fallback speaks. */
function ownEstimate(own: Estimate, why: string, failureMode: FailureMode): Estimate {
  const said = { ...own, recommendation: own.recommendation ?? `Priced by the cluster's own rates: ${why}.` };
  if (failureMode !== 'PERMISSIVE' || own.refusal?.code !== 'unpriced') return said;
  const { refusal: _lifted, ...admitted } = said;
  return admitted;
}

function byFormula(
  own: Estimate,
  request: JobRequest | undefined,
  fallback: 'SIMPLE' | 'STATIC',
  why: string,
  { cluster, unit }: OwnPrices,
  { fallbackRate }: AdvicePolicy,
): Estimate {
  if (!request) return own;
  const { cost: perTask, words } = fallbackCost(fallback, request, own.wallSeconds, fallbackRate, unit);
  const cost: Fraction = fraction(perTask.numerator * BigInt(request.arrayTasks), perTask.denominator);
  const amounts = amountsOf(cost, own.holdMultiplier, cluster);
  if (amounts === undefined) return unknownCost(own, why);
  const { refusal: _replaced, ...kept } = own;
  const isDear = fallback === 'SIMPLE' && amounts.estimated > DEAR;
  return {
    ...kept,
    ...amounts,
    method: fallback === 'SIMPLE' ? 'simple' : 'static',
    confidence: fallback === 'SIMPLE' ? 0.7 : 0.5,
    recommendation: `Fallback cost estimate (${fallback}): ${why}.${isDear ? OPTIMISE : ''}`,
    lines: [
      ...words,
      ...(request.arrayTasks > 1 ? [`x ${request.arrayTasks} array tasks`] : []),
      sumLine(roundHalfEven(cost), unit, own.wallSeconds, cluster),
    ],
    unbilled: [],
  };
}

/** From here on ASBB's formula comes with a hint. */
const DEAR = 100_000_000n;
const OPTIMISE = ' A shorter time limit, fewer CPUs or fewer GPUs would make it cheaper.';

/** Admitted all the same, and held for nothing: what it has cost is settled by rates that are entered by then. */
function unknownCost(own: Estimate, why: string): Estimate {
  const { refusal: _lifted, ...kept } = own;
  return {
    ...kept,
    cost: NOTHING,
    estimated: ZERO,
    hold: ZERO,
    method: 'unpriced',
    confidence: 0,
    recommendation: `Nobody knows what this job costs: ${why}.`,
    lines: ['nothing is held: neither the advisor nor a rate says what this job costs'],
    unbilled: [],
  };
}

const isRated = ({ cluster, rates, unit, at }: OwnPrices): boolean =>
  rates.some((rate) => rate.cluster === cluster.name && rate.unit === unit && compareInstants(rate.startsAt, at) <= 0);

const capital = (sentence: string): string => sentence.charAt(0).toUpperCase() + sentence.slice(1);
