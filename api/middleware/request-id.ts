/** Gives every request an id, the caller's own where it is a decent one, and says it in the answer. */
import { randomBytes } from 'node:crypto';
import { createMiddleware } from 'hono/factory';
import type { ApiEnv } from '../env';

const DECENT = /^[A-Za-z0-9._-]{1,64}$/;

export function requestId() {
  // Drawing randomness for every request is a twentieth of its cost; once a process and a count is as unique.
  const process = randomBytes(6).toString('hex');
  let count = 0;
  return createMiddleware<ApiEnv>(async (c, next) => {
    const given = c.req.header('x-request-id');
    const id = given !== undefined && DECENT.test(given) ? given : `req_${process}_${(count++).toString(36)}`;
    c.set('requestId', id);
    c.header('X-Request-Id', id);
    await next();
  });
}
