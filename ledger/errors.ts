/**
 * What PostgreSQL says, as a Fault. The only place that knows SQLSTATEs.
 *
 * Our functions raise with an errcode of class LD (the standard keeps classes 0-4 and A-H to itself), a sentence for the
 * caller as the message, and facts for him as a JSON object in `detail`, amounts in it as decimal strings:
 *
 *     raise exception 'hold % is closed', p_hold_id using errcode = 'LD008', detail = jsonb_build_object(…)::text;
 */
import { Fault, type FaultCode, type Facts } from '../domain/faults';

export const SQLSTATES = {
  LD001: 'key_reused',
  LD002: 'account_not_found',
  LD003: 'fund_not_found',
  LD004: 'limit_not_found',
  LD005: 'hold_not_found',
  LD006: 'transaction_not_found',
  LD007: 'job_not_found',
  LD008: 'hold_closed',
  LD009: 'not_a_hold',
  LD010: 'holds_open',
  LD011: 'already_reconciled',
  LD012: 'unit_mismatch',
  LD013: 'refund_exceeds_charge',
  LD014: 'limit_below_use',
  LD015: 'invalid_parent',
  LD016: 'ceiling_exceeded',
  LD017: 'account_exists',
  LD018: 'cluster_exists',
  LD019: 'rate_overlaps',
  LD020: 'cluster_not_found',
  LD021: 'partition_not_found',
  LD022: 'rate_not_found',
  LD023: 'malformed_request',
  LD030: 'account_archived',
  LD031: 'account_inactive',
  LD032: 'account_not_started',
  LD033: 'account_expired',
  LD034: 'parent_inactive',
  LD035: 'insufficient_budget',
} as const satisfies Record<`LD${string}`, FaultCode>;

/** Lost, refused, shut down, out of connections, cancelled, or a lock not got in time: the same request may work later. */
const UNAVAILABLE = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOENT', // A Unix socket that is not there.
  'CONNECT_TIMEOUT',
  'CONNECTION_CLOSED',
  'CONNECTION_DESTROYED',
  'CONNECTION_ENDED',
  '25006', // A server that has become a read-only standby.
  '53300',
  '55P03',
  '57014',
  '57P01',
  '57P02',
  '57P03',
]);

/** Two transactions got in each other's way and one of them was undone as if it had never been. Repeating it is safe. */
const CONFLICTS = new Set(['40001', '40P01']);

const ATTEMPTS_MAX = 5;

const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;

/** What the caller may be told. What we do not know comes back as it is: a programmer's error, which must stay loud. */
export function asFault(error: unknown): unknown {
  if (error instanceof Fault) return error;
  const code = codeOf(error);
  if (code === undefined || !(error instanceof Error)) return error;
  if (isLedgerState(code)) return new Fault(SQLSTATES[code], error.message, { facts: factsOf(error), cause: error });
  if (UNAVAILABLE.has(code) || CONFLICTS.has(code) || code.startsWith('08')) return unavailable(error);
  return error;
}

export const unavailable = (cause?: unknown): Fault =>
  new Fault('ledger_unavailable', 'The ledger cannot be reached at the moment; try again in a few seconds.', { cause });

/** Runs one command on the ledger: repeats what PostgreSQL undid because of a conflict, and turns the rest into Faults. */
export async function ask<T>(command: () => PromiseLike<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await command();
    } catch (error) {
      if (CONFLICTS.has(codeOf(error) ?? '') && attempt < ATTEMPTS_MAX) continue;
      throw asFault(error);
    }
  }
}

const isLedgerState = (code: string): code is keyof typeof SQLSTATES => Object.hasOwn(SQLSTATES, code);

function factsOf(error: Error): Facts {
  if (!('detail' in error) || typeof error.detail !== 'string') return {};
  try {
    const facts: unknown = JSON.parse(error.detail);
    return isObject(facts) ? facts : {};
  } catch {
    return {}; // PostgreSQL's own prose, not ours.
  }
}

const isObject = (value: unknown): value is Facts =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
