/** Holds: money set aside for a job. */
import { z } from 'zod';
import { Amount, IdempotencyKey, Money, Time, flag, pageQuery, text, FundSource } from './wire';

export const HoldAnswer = z
  .object({
    transaction_id: z.string().describe("The hold's own id, which every command and event takes."),
    key: z.string().optional().describe("The caller's idempotency key."),
    account: z.string().describe('The account.'),
    unit: z.string().describe('What amounts are counted in: a currency, or a service unit.'),
    cluster: z.string().describe('The cluster.'),
    partition: z.string().describe('The partition.'),
    user_id: z.string().optional().describe('The user.'),
    job_id: z.string().optional().describe("The scheduler's id, once an event has bound it."),
    status: z
      .enum(['open', 'settled', 'released'])
      .describe('Settled: its job was charged. Released: it gave everything back.'),
    placed: Money.describe('What was held at first. placed + resized = held + charged_from_hold + released.'),
    resized: Money.describe('What resizes added, less what they gave back.'),
    given_back: Money.describe(
      'What its resizes gave back, counted in resized: as for tasks of an array that are over, or a shorter time limit.',
    ),
    held: Money.describe('What is held now.'),
    charged: Money.describe('All of its charges with their corrections, those beyond the hold included.'),
    charged_from_hold: Money.describe('What charges took out of the hold.'),
    released: Money.describe('What was given back when it was closed.'),
    late: z.boolean().describe('Opened after the fact, for a job that had none.'),
    overdue_at: Time.optional().describe('Since when nobody can say what became of the job.'),
    use_by: Time.optional().describe(
      'Of a spare, which was placed beforehand for a job like the one before it: until when a job could take it.',
    ),
    group: z.string().optional().describe('Heterogeneous jobs: the hold of the first component.'),
    effective_at: Time.describe('When the job was checked, by the clock of who asked.'),
    placed_at: Time.describe('When it was written.'),
    closed_at: Time.optional().describe('When that was over; absent before.'),
    parts: z
      .array(
        z.object({
          fund_id: z.string().describe('The fund.'),
          source: FundSource,
          held: Money,
        }),
      )
      .describe('What each fund holds of it now.'),
  })
  .meta({ id: 'Hold' });

export const HoldListQuery = z.object({
  key: text(255).optional().describe('The one hold that was placed with this idempotency key.'),
  account: text(64).optional().describe('Only holds on this account.'),
  cluster: text(64).optional().describe('Only holds for jobs on this cluster.'),
  user_id: text(128).optional().describe('Only holds for jobs of this user.'),
  status: z.enum(['open', 'settled', 'released']).optional().describe('Only holds that stand so.'),
  overdue: flag
    .optional()
    .describe(
      'true: only those of which nobody can say what became of the job, though it should have ended; false: the others.',
    ),
  late: flag
    .optional()
    .describe('true: only those that were opened after the fact, for a job that had none; false: the others.'),
  ...pageQuery,
});

export const HoldPath = z.object({ transaction_id: text(128).describe("The hold's id.") });

const Reason = text(2000).describe('Why; it is written into the transaction.');

export const ResizeRequest = z
  .object({
    amount: Amount.describe('What is to be held from now on. More passes every limit or is refused; less gives back.'),
    reason: Reason.optional(),
    idempotency_key: IdempotencyKey.optional(),
  })
  .meta({ id: 'ResizeRequest' });

export const ReleaseRequest = z
  .object({ reason: Reason.optional(), idempotency_key: IdempotencyKey.optional() })
  .meta({ id: 'ReleaseRequest' });
