/** Gives every request an id, the caller's own where it is a decent one, and says it in the answer. */
import { createMiddleware } from 'hono/factory';
import { monotonicFactory } from 'ulid';
import type { ApiEnv } from '../env';

const DECENT = /^[A-Za-z0-9._-]{1,64}$/;

export function requestId() {
  const ulid = monotonicFactory();
  return createMiddleware<ApiEnv>(async (c, next) => {
    const given = c.req.header('x-request-id');
    const id = given !== undefined && DECENT.test(given) ? given : `req_${ulid()}`;
    c.set('requestId', id);
    c.header('X-Request-Id', id);
    await next();
  });
}
