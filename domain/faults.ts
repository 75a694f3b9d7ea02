/**
 * Every way Bursar says no, in order of precedence: when two apply, the upper one is reported.
 *
 * `status` is the HTTP answer of a *command* (a budget check answers 200 with the same code, rulings 15), `asbb` the code
 * an ASBB client knows, `retry` whether the same request can succeed later without anybody changing it.
 */
export const FAULTS = {
  malformed_request: { status: 400, asbb: 'VALIDATION_ERROR', retry: 'never', title: 'The request could not be read' },
  foreign_origin: { status: 403, asbb: 'FORBIDDEN', retry: 'never', title: 'Requests from other sites are refused' },
  unauthenticated: { status: 401, asbb: 'UNAUTHORIZED', retry: 'never', title: 'An API key is needed' },
  forbidden: { status: 403, asbb: 'FORBIDDEN', retry: 'never', title: 'The API key may not do this' },
  too_many_requests: { status: 429, asbb: 'RATE_LIMITED', retry: 'later', title: 'There are too many requests' },
  unsupported_media_type: { status: 415, asbb: 'VALIDATION_ERROR', retry: 'never', title: 'The body is not JSON' },
  body_too_large: { status: 413, asbb: 'VALIDATION_ERROR', retry: 'never', title: 'The body is too large' },
  headers_too_large: { status: 431, asbb: 'VALIDATION_ERROR', retry: 'never', title: 'The headers are too large' },
  request_too_slow: { status: 408, asbb: 'VALIDATION_ERROR', retry: 'later', title: 'The request came too slowly' },
  route_not_found: { status: 404, asbb: 'NOT_FOUND', retry: 'never', title: 'There is no such address' },
  method_not_allowed: {
    status: 405,
    asbb: 'VALIDATION_ERROR',
    retry: 'never',
    title: 'This address takes other methods',
  },
  cluster_not_found: { status: 404, asbb: 'NOT_FOUND', retry: 'never', title: 'There is no such cluster' },
  partition_not_found: { status: 404, asbb: 'NOT_FOUND', retry: 'never', title: 'There is no such partition' },
  account_not_found: { status: 404, asbb: 'NOT_FOUND', retry: 'never', title: 'There is no such account' },
  fund_not_found: { status: 404, asbb: 'NOT_FOUND', retry: 'never', title: 'There is no such fund' },
  limit_not_found: { status: 404, asbb: 'NOT_FOUND', retry: 'never', title: 'There is no such limit' },
  hold_not_found: { status: 404, asbb: 'NOT_FOUND', retry: 'never', title: 'There is no such hold' },
  transaction_not_found: { status: 404, asbb: 'NOT_FOUND', retry: 'never', title: 'There is no such transaction' },
  job_not_found: { status: 404, asbb: 'NOT_FOUND', retry: 'never', title: 'There is no such job' },
  rate_not_found: { status: 404, asbb: 'NOT_FOUND', retry: 'never', title: 'There is no such rate' },
  unmatched_not_found: { status: 404, asbb: 'NOT_FOUND', retry: 'never', title: 'There is no such unmatched report' },
  audit_not_found: { status: 404, asbb: 'NOT_FOUND', retry: 'never', title: 'There is no such audit' },
  api_key_not_found: { status: 404, asbb: 'NOT_FOUND', retry: 'never', title: 'There is no such API key' },
  key_reused: {
    status: 409,
    asbb: 'CONFLICT',
    retry: 'never',
    title: 'This idempotency key was used with another body',
  },
  account_exists: { status: 409, asbb: 'DUPLICATE_ACCOUNT', retry: 'never', title: 'An account of this name exists' },
  cluster_exists: { status: 409, asbb: 'CONFLICT', retry: 'never', title: 'A cluster of this name exists' },
  api_key_exists: { status: 409, asbb: 'CONFLICT', retry: 'never', title: 'An API key of this name exists' },
  rate_overlaps: { status: 409, asbb: 'CONFLICT', retry: 'never', title: 'A rate for this time exists' },
  holds_open: { status: 409, asbb: 'CONFLICT', retry: 'later', title: 'The account has open holds' },
  hold_closed: { status: 409, asbb: 'CONFLICT', retry: 'never', title: 'The hold is already closed' },
  hold_taken: { status: 409, asbb: 'CONFLICT', retry: 'never', title: 'The hold is that of another job' },
  unmatched_closed: { status: 409, asbb: 'CONFLICT', retry: 'never', title: 'The report does not wait any more' },
  not_a_hold: { status: 400, asbb: 'VALIDATION_ERROR', retry: 'never', title: 'Transaction is not a hold transaction' },
  already_reconciled: {
    status: 409,
    asbb: 'ALREADY_RECONCILED',
    retry: 'never',
    title: 'The run was settled with another cost',
  },
  unit_mismatch: { status: 409, asbb: 'CONFLICT', retry: 'never', title: 'The amounts have different units' },
  refund_exceeds_charge: { status: 409, asbb: 'CONFLICT', retry: 'never', title: 'A refund cannot exceed its charge' },
  limit_below_use: {
    status: 409,
    asbb: 'CONFLICT',
    retry: 'later',
    title: 'The limit would fall below what is settled and held',
  },
  invalid_parent: { status: 409, asbb: 'CONFLICT', retry: 'never', title: 'The account cannot have this parent' },
  ceiling_exceeded: { status: 409, asbb: 'CONFLICT', retry: 'never', title: 'The balance would exceed its ceiling' },

  // Refusals of a budget check, in the order in which they are examined.
  account_archived: { status: 402, asbb: 'ACCOUNT_INACTIVE', retry: 'never', title: 'The account is archived' },
  account_inactive: { status: 402, asbb: 'ACCOUNT_INACTIVE', retry: 'later', title: 'The account is not active' },
  account_not_started: { status: 402, asbb: 'ACCOUNT_INACTIVE', retry: 'later', title: 'The account has not started' },
  account_expired: { status: 402, asbb: 'ACCOUNT_EXPIRED', retry: 'never', title: 'The account has ended' },
  parent_inactive: { status: 402, asbb: 'ACCOUNT_INACTIVE', retry: 'later', title: 'A parent account is not active' },
  time_limit_missing: {
    status: 402,
    asbb: 'VALIDATION_ERROR',
    retry: 'never',
    title: 'The job has no finite time limit',
  },
  unpriced: { status: 402, asbb: 'VALIDATION_ERROR', retry: 'later', title: 'A part of the job has no price' },
  advisor_unavailable: {
    status: 503,
    asbb: 'ADVISOR_UNAVAILABLE',
    retry: 'later',
    title: 'The advisor has no answer',
  },
  insufficient_budget: { status: 402, asbb: 'INSUFFICIENT_BUDGET', retry: 'later', title: 'Insufficient budget' },
  partition_limit_exceeded: {
    status: 402,
    asbb: 'PARTITION_LIMIT_EXCEEDED',
    retry: 'later',
    title: 'Partition limit exceeded',
  },
  user_limit_exceeded: { status: 402, asbb: 'INSUFFICIENT_BUDGET', retry: 'later', title: 'User limit exceeded' },
  parent_limit_exceeded: {
    status: 402,
    asbb: 'INSUFFICIENT_BUDGET',
    retry: 'later',
    title: 'Parent account limit exceeded',
  },

  ledger_unavailable: {
    status: 503,
    asbb: 'SERVICE_UNAVAILABLE',
    retry: 'later',
    title: 'The ledger cannot be reached',
  },
  temporal_unavailable: {
    status: 503,
    asbb: 'SERVICE_UNAVAILABLE',
    retry: 'later',
    title: 'Temporal cannot be reached',
  },
  internal_error: { status: 500, asbb: 'INTERNAL_ERROR', retry: 'later', title: 'Internal server error' },
} as const satisfies Record<string, FaultSpec>;

interface FaultSpec {
  status: number;
  asbb: string;
  retry: 'never' | 'later';
  title: string;
}

export type FaultCode = keyof typeof FAULTS;

/** One mistake in a request: a JSON pointer to the field, and what to do about it. */
export interface FieldError {
  pointer: string;
  detail: string;
}

/** What the caller may know besides the code and the sentence. Amounts are decimal strings. */
export type Facts = Readonly<Record<string, unknown>>;

/** A "no" with its reason. `detail` and `facts` are for the caller, `cause` is for the log only. */
export class Fault extends Error {
  readonly code: FaultCode;
  readonly facts: Facts;
  readonly errors: readonly FieldError[];

  constructor(
    code: FaultCode,
    detail: string,
    options: { facts?: Facts; errors?: readonly FieldError[]; cause?: unknown } = {},
  ) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'Fault';
    this.code = code;
    this.facts = options.facts ?? {};
    // A request that could not be read always says where, and be it "as a whole".
    this.errors = options.errors ?? (code === 'malformed_request' ? [{ pointer: '', detail }] : []);
  }
}

/** A text that could not be read; `detail` says what to write instead. */
export const malformed = (detail: string): Fault => new Fault('malformed_request', detail);

/** As much of a text as a sentence about it should repeat. */
export const shorten = (text: string): string => (text.length > 40 ? `${text.slice(0, 40)}…` : text);

export const isFaultCode = (code: string): code is FaultCode => Object.hasOwn(FAULTS, code);
