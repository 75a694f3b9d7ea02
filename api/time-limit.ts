/** A limit to how long anybody waits for PostgreSQL. */
import { Fault } from '../domain/faults';

/** How long a request may take where nobody says. */
export const DEADLINE_MS = 8_000;

/** What was asked may still happen; asked again with the same idempotency key, it happens once. */
const COMMAND_ADVICE = 'ask again with the same idempotency key';

/** For what changes nothing. */
export const QUESTION_ADVICE = 'ask again in a few seconds, or for less at once';

/** The result of `work`, or undefined where it takes longer. Whatever it is, the work goes on. */
export async function soon<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, ms, undefined);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The result of `work`, or `ledger_unavailable` with what to do next when it takes longer. */
export async function within<T>(ms: number, work: Promise<T>, advice = COMMAND_ADVICE): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new Fault('ledger_unavailable', `The ledger did not answer within ${ms} ms; ${advice}.`)),
      ms,
    );
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
