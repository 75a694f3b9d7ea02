/** A limit to how long anybody waits for PostgreSQL. */
import { Fault } from '../domain/faults';

/**
 * The result of `work`, or `ledger_unavailable` when it takes longer.
 *
 * What was asked may still happen; asked again with the same idempotency key, it happens once.
 */
export async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () =>
        reject(
          new Fault(
            'ledger_unavailable',
            `The ledger did not answer within ${ms} ms; ask again with the same idempotency key.`,
          ),
        ),
      ms,
    );
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
