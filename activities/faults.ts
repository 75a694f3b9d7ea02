/** How a "no" travels through Temporal: one place for every activity, so that none of them catches anything. */
import { ApplicationFailure, log, type Context } from '@temporalio/activity';
import { Fault, FAULTS } from '../domain/faults';

/**
 * Turns Faults into ApplicationFailures: `type` is the code, and what FAULTS says never to retry is not retried.
 * Everything else stays what it is, and Temporal tries again. The cause is for our log; histories are read by others.
 */
export const faultsBecomeFailures = (_context: Context) => ({
  inbound: {
    async execute<Input>(input: Input, next: (input: Input) => Promise<unknown>): Promise<unknown> {
      try {
        return await next(input);
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        log.warn('fault', { code: error.code, detail: error.message, cause: error.cause });
        throw ApplicationFailure.create({
          type: error.code,
          message: error.message,
          nonRetryable: FAULTS[error.code].retry === 'never',
          details: [error.facts],
        });
      }
    },
  },
});
