/**
 * What PostgreSQL says, as a Fault. The only place that knows SQLSTATEs.
 *
 * Our functions say no through ledger.fail(code, sentence, facts): errcode LD001 (the standard keeps classes 0-4 and A-H to
 * itself), the code of domain/faults.ts as the hint, the sentence for the caller as the message, and facts for him as a
 * JSON object in the detail, amounts in it as decimal strings. The fact "pointer" becomes the field that `errors` names.
 */
import { codeOf } from '../domain/code-of';
import { Fault, isFaultCode, type Facts } from '../domain/faults';

const FAULT_STATE = 'LD001';

/** Lost, refused, shut down, out of room, cancelled, or a lock not got in time: the same request may work later. */
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
  '53000', // Of disk, memory, connections, or of what its configuration allows, there is not enough.
  '53100',
  '53200',
  '53300',
  '53400',
  '55P03',
  '57014',
  '57P01',
  '57P02',
  '57P03',
]);

/** Two commands with one key, or two charges of one run, under different roots: the second finds the first when it asks again. */
const ONCE = new Set(['commands_pkey', 'charges_run_key_key']);

/** Two transactions got in each other's way and one of them was undone as if it had never been: repeating it is safe. */
const isConflict = (error: unknown): boolean => {
  const code = codeOf(error);
  return code === '40001' || code === '40P01' || (code === '23505' && ONCE.has(textOf(error, 'constraint_name')));
};

const ATTEMPTS_MAX = 5;

/** As `codeOf` does. */
const textOf = (error: unknown, field: 'message' | 'hint' | 'detail' | 'constraint_name'): string => {
  const value: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, field) : undefined;
  return typeof value === 'string' ? value : '';
};

/** What the caller may be told. What we do not know comes back as it is: a programmer's error, which must stay loud. */
function asFault(error: unknown): unknown {
  if (error instanceof Fault) return error;
  const code = codeOf(error);
  if (code === FAULT_STATE) {
    const [fault, detail] = [textOf(error, 'hint'), textOf(error, 'message')];
    if (!isFaultCode(fault)) return error;
    const { pointer, ...facts } = factsOf(error);
    return new Fault(fault, detail, {
      facts,
      cause: error,
      ...(typeof pointer === 'string' && { errors: [{ pointer, detail }] }),
    });
  }
  if (UNAVAILABLE.has(code) || isConflict(error) || code.startsWith('08')) return unavailable(error);
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
      if (isConflict(error) && attempt < ATTEMPTS_MAX) continue;
      throw asFault(error);
    }
  }
}

function factsOf(error: unknown): Facts {
  try {
    const facts: unknown = JSON.parse(textOf(error, 'detail'));
    return isObject(facts) ? facts : {};
  } catch {
    return {}; // PostgreSQL's own prose, not ours.
  }
}

const isObject = (value: unknown): value is Facts =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
