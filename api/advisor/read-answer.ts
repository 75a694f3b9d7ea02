/**
 * An advisor's answer, read strictly: it becomes money that is held. What it does not say in the way that was agreed it has
 * not said at all.
 */
import { isLosslessNumber, parse } from 'lossless-json';
import type { AdvisedCost } from '../../domain/advice';
import { Fault } from '../../domain/faults';
import { parseReportedCost, type Micro } from '../../domain/money';
import { quotable, quoted, Silent } from './silent';

/** A hundred times what an honest answer needs. */
export const ANSWER_BYTES_MAX = 65_536;

const RECOMMENDATION_MAX = 500;

/** Throws `Silent`: `error` where the advisor says that it cannot tell, `bad_answer` where what it says is none. */
export function readAnswer(body: Uint8Array): AdvisedCost {
  const answer = parsed(body);
  const { error } = answer;
  if (typeof error === 'string' && error.trim() !== '') throw new Silent('error', `says ${quoted(error)}`);
  if (error !== undefined && error !== null && typeof error !== 'string') {
    throw bad('its error is not text');
  }
  const confidence = confidenceOf(answer.confidence);
  const recommendation = recommendationOf(answer.recommendation);
  return {
    ...costOf(answer.estimated_cost),
    confidence,
    ...(recommendation === undefined ? {} : { recommendation }),
  };
}

const bad = (detail: string, options?: ErrorOptions) =>
  new Silent('bad_answer', `did not make sense: ${detail}`, options);

const UTF_8 = new TextDecoder('utf-8', { fatal: true });

function parsed(body: Uint8Array): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = parse(UTF_8.decode(body));
  } catch (error) {
    throw bad('its answer is not JSON', { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value) || isLosslessNumber(value)) {
    throw bad('its answer is not a JSON object');
  }
  return value as Readonly<Record<string, unknown>>;
}

function costOf(value: unknown): { cost: Micro; numeral: string } {
  if (value === undefined || value === null) throw bad('its answer has no estimated_cost');
  if (!isLosslessNumber(value)) throw bad('its estimated_cost is not a number');
  const numeral = value.value;
  if (numeral.length > 100) throw bad('its estimated_cost has more than a hundred digits');
  try {
    const cost = parseReportedCost(numeral);
    if (cost < 0n || numeral.startsWith('-')) throw bad(`its estimated_cost is negative (${numeral})`);
    return { cost, numeral };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    throw bad(`its estimated_cost ${quoted(numeral)} is no amount that an account can hold`, { cause: error });
  }
}

/** Not said is not sure. */
function confidenceOf(value: unknown): number {
  if (value === undefined || value === null) return 0;
  const confidence = isLosslessNumber(value) ? Number(value.value) : Number.NaN;
  if (!(confidence >= 0 && confidence <= 1)) throw bad('its confidence is not a number from 0 to 1');
  return confidence;
}

function recommendationOf(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') throw bad('its recommendation is not text');
  return quotable(value, RECOMMENDATION_MAX) || undefined;
}
