/**
 * Answers 503 when a request takes too long: a PostgreSQL that hangs must not make its callers hang with it.
 *
 * What was asked may still happen; asked again with the same idempotency key, it happens once.
 */
import { createMiddleware } from 'hono/factory';
import { Fault } from '../../domain/faults';
import type { ApiEnv } from '../env';

export function deadline(ms: number) {
  return createMiddleware<ApiEnv>(async (_c, next) => {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        reject(
          new Fault(
            'ledger_unavailable',
            `The ledger did not answer within ${ms} ms; ask again with the same idempotency key.`,
          ),
        );
      }, ms);
    });
    try {
      await Promise.race([next(), late]);
    } finally {
      clearTimeout(timer);
    }
  });
}
