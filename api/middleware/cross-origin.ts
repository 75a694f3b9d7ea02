/**
 * Pages of other origins: those that are named may ask, and are answered so that a browser lets them see it.
 *
 * Being named is not being known. A page always needs a key of its own, also where this machine needs none (authenticate.ts):
 * else whoever can put a script on the page could move money. Cookies play no part, so none are ever allowed.
 */
import { cors } from 'hono/cors';
import { createMiddleware } from 'hono/factory';
import type { ApiEnv } from '../env';

export type AllowedOrigins = readonly string[];

export const allows = (origins: AllowedOrigins, origin: string): boolean =>
  origins.includes('*') || origins.includes(origin);

/** How long a browser may remember what it was told. */
const REMEMBERED_SECONDS = 600;

export function crossOrigin(origins: AllowedOrigins) {
  const answer = cors({
    origin: origins.includes('*') ? '*' : [...origins],
    allowMethods: ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS'],
    allowHeaders: ['Content-Type', 'Authorization', 'X-API-Key', 'Idempotency-Key', 'X-Request-Id'],
    exposeHeaders: [
      'Link',
      'Location',
      'X-Request-Id',
      'Retry-After',
      'RateLimit-Limit',
      'RateLimit-Remaining',
      'RateLimit-Reset',
      'WWW-Authenticate',
    ],
    maxAge: REMEMBERED_SECONDS,
  });
  return createMiddleware<ApiEnv>(async (c, next) => {
    // OPTIONS that asks for nobody's sake is a method like any other, and not taken.
    const isPreflight = c.req.method === 'OPTIONS' && c.req.header('access-control-request-method') !== undefined;
    if (c.req.method === 'OPTIONS' && !isPreflight) return next();
    return answer(c, next);
  });
}
