/**
 * How often somebody may ask: by his key where he has a good one, by his address where he has none.
 *
 * Each process counts for itself and forgets when it ends; the limits keep one caller from taking all of a process, not from
 * asking all of them. Who asks on this machine is not counted, and neither are probes. Jobs wait for the answers of the
 * submit path, so that is counted only where somebody wants it.
 */
import type { Context } from 'hono';
import { createMiddleware } from 'hono/factory';
import { BurstyRateLimiter, RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { Fault } from '../../domain/faults';
import type { RateLimits } from '../../platform/config/exposure';
import { LOCAL } from '../access';
import { type ClientAddress, household } from '../client-address';
import type { ApiEnv } from '../env';

const PROBES = new Set(['/health', '/livez', '/readyz']);

/** Prices beside sbatch are not on it: everybody on a cluster asks with the same key, and no job waits for them. */
const SUBMIT_PATH = /^\/api\/v1\/(budget\/(check|estimate|reconcile)|jobs\/events|asbx\/.*|slurm\/(?!estimates$).*)$/;

const MINUTE_SECONDS = 60;
const BURST_SECONDS = 30;

export function rateLimit({ perIp, perKey, burst, submitPath }: RateLimits, addressOf: ClientAddress) {
  const byAddress = limiter('address', perIp, burst);
  const byKey = limiter('key', perKey, burst);
  return createMiddleware<ApiEnv>(async (c, next) => {
    if (PROBES.has(c.req.path) || (!submitPath && SUBMIT_PATH.test(c.req.path))) return next();
    const principal = await principalOf(c);
    if (principal === LOCAL.principal) return next();
    if (principal === undefined) await byAddress?.(c, household(addressOf(c) ?? 'unknown'));
    else await byKey?.(c, principal);
    return next();
  });
}

/** Undefined for who has no good key; the operation will tell him, if it minds. */
async function principalOf(c: Context<ApiEnv>): Promise<string | undefined> {
  try {
    return (await c.get('identify')()).principal;
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}

function limiter(what: 'address' | 'key', perMinute: number, burst: number) {
  if (perMinute === 0) return undefined;
  const steady = new RateLimiterMemory({ points: perMinute, duration: MINUTE_SECONDS });
  const counter =
    burst === 0
      ? steady
      : new BurstyRateLimiter(steady, new RateLimiterMemory({ points: burst, duration: BURST_SECONDS }));
  return async (c: Context<ApiEnv>, who: string): Promise<void> => {
    let counted: RateLimiterRes;
    let isOver = false;
    try {
      counted = await counter.consume(who);
    } catch (refused) {
      if (!(refused instanceof RateLimiterRes)) throw refused;
      [counted, isOver] = [refused, true];
    }
    const seconds = Math.max(1, Math.ceil(counted.msBeforeNext / 1000));
    c.header('RateLimit-Limit', String(perMinute));
    c.header('RateLimit-Remaining', String(counted.remainingPoints));
    c.header('RateLimit-Reset', String(seconds));
    if (!isOver) return;
    const whose = what === 'key' ? `with the key "${who}"` : 'from this address without a good key';
    const more = burst === 0 ? '' : `, and ${burst} more in ${BURST_SECONDS} s`;
    throw new Fault(
      'too_many_requests',
      `There are more requests ${whose} than ${perMinute} a minute${more}; try again in ${seconds} s.`,
      { facts: { limit: perMinute, retry_after: seconds } },
    );
  };
}
