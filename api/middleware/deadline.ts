/** Answers 503 when a request takes too long: a PostgreSQL that hangs must not make its callers hang with it. */
import { createMiddleware } from 'hono/factory';
import type { ApiEnv } from '../env';
import { QUESTION_ADVICE, within } from '../time-limit';

export const deadline = (ms: number) =>
  createMiddleware<ApiEnv>((c, next) => within(ms, next(), c.req.method === 'GET' ? QUESTION_ADVICE : undefined));
