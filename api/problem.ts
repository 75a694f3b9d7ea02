/**
 * The only writer of errors: RFC 9457 and ASBB's error in one body (rulings 24).
 *
 * Whatever is not a `Fault` is `internal_error`: the log gets all of it, the caller nothing but the request's id.
 */
import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { z } from 'zod';
import { Fault, FAULTS, type Facts, type FieldError } from '../domain/faults';
import type { Log } from '../platform/log';
import type { Metrics } from '../platform/metrics';
import type { ApiEnv } from './env';
import type { ProblemAnswer } from './schemas/system';

/** How long a caller should wait before he asks again, where that can help. */
const RETRY_AFTER_SECONDS = 2;

export function problemWriter(log: Log, metrics: Pick<Metrics, 'refusedRequests'>) {
  return (thrown: unknown, c: Context<ApiEnv>): Response => {
    const fault = asKnown(thrown);
    const { status } = FAULTS[fault.code];
    const requestId = c.get('requestId');
    if (status >= 500) {
      const level = fault.code === 'internal_error' ? 'error' : 'warn';
      log[level]({ requestId, code: fault.code, err: fault.cause ?? thrown }, 'request failed');
    }
    c.header('Content-Type', 'application/problem+json');
    const reason = reasonOf(fault);
    if (reason !== undefined) metrics.refusedRequests.inc({ reason });
    const challenge = challengeOf(fault);
    if (challenge !== undefined) c.header('WWW-Authenticate', challenge);
    const { retry_after: retryAfter } = fault.facts;
    if (fault.code === 'too_many_requests' && typeof retryAfter === 'number')
      c.header('Retry-After', String(retryAfter));
    if (status === 503) c.header('Retry-After', String(RETRY_AFTER_SECONDS));
    const allow = fault.facts.allow;
    if (fault.code === 'method_not_allowed' && typeof allow === 'string') c.header('Allow', allow);
    return c.body(
      `${JSON.stringify(renderProblem(fault, requestId, new Date()))}\n`,
      status satisfies ContentfulStatusCode,
    );
  };
}

/** Why a request was turned away at the door: a closed set, for the metric. */
function reasonOf({ code, facts }: Fault): string | undefined {
  if (code === 'foreign_origin' || code === 'too_many_requests') return code;
  if (code !== 'unauthenticated' && code !== 'forbidden') return undefined;
  return typeof facts.reason === 'string' ? facts.reason : code;
}

/** RFC 6750: what to send, and what was wrong with what was sent. */
function challengeOf({ code, facts }: Fault): string | undefined {
  const realm = 'Bearer realm="bursar"';
  if (code === 'forbidden') return `${realm}, error="insufficient_scope"`;
  if (code !== 'unauthenticated') return undefined;
  return facts.reason === 'no_key' ? realm : `${realm}, error="invalid_token"`;
}

const asKnown = (thrown: unknown): Fault =>
  thrown instanceof Fault
    ? thrown
    : new Fault('internal_error', 'Something went wrong here; the log has the details under this request id.', {
        cause: thrown,
      });

export function renderProblem(fault: Fault, requestId: string, now: Date): z.infer<typeof ProblemAnswer> {
  const { status, asbb, title } = FAULTS[fault.code];
  const [first] = fault.errors;
  const details = asbbDetails(fault.facts);
  return {
    type: `/docs/faults#${fault.code}`,
    title,
    status,
    detail: fault.message,
    instance: `urn:bursar:request:${requestId}`,
    code: fault.code,
    ...(fault.errors.length > 0 && { errors: [...fault.errors] }),
    ...(Object.keys(fault.facts).length > 0 && { facts: fault.facts }),
    error: {
      code: asbb,
      message: first?.detail ?? fault.message,
      ...(first && { field: asbbField(first) }),
      ...(details !== undefined && { details }),
    },
    request_id: requestId,
    timestamp: `${now.toISOString().slice(0, 19)}Z`,
  };
}

/** ASBB names a field by its name, and the whole body by "body". */
const asbbField = ({ pointer }: FieldError): string => pointer.slice(1).replaceAll('/', '.') || 'body';

/** ASBB's `details` is one line of text. */
function asbbDetails(facts: Facts): string | undefined {
  const plain = Object.entries(facts).filter(([, value]) => ['string', 'number', 'boolean'].includes(typeof value));
  return plain.length === 0 ? undefined : plain.map(([name, value]) => `${name}: ${String(value)}`).join(', ');
}
