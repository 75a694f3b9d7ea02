/** Refunds: what was given back, why, and whether its user was told. */
import { z } from 'zod';
import { REFUND_POLICIES, REFUND_REASONS } from '../../domain/policy';
import { AnyJson, Instant, Money, Time, pageQuery, text } from './wire';

const Reason = z
  .enum([...REFUND_REASONS, 'manual'])
  .describe('How the run ended: node_fail, boot_fail, preempted, admin_cancel. manual: a person gave it back.');

export const RefundAnswer = z
  .object({
    transaction_id: z.string().describe('The refund.'),
    charge_id: z.string().describe('The charge that it is a part of.'),
    account: z.string().describe('The account.'),
    unit: z.string().describe('What amounts are counted in: a currency, or a service unit.'),
    amount: Money,
    charged: Money.describe('The charge as it is, with its adjustments.'),
    refunded: Money.describe('What of it is back, by all refunds together.'),
    reason: Reason,
    policy: z.enum(REFUND_POLICIES).optional().describe("The cluster's, at that time. A manual refund has none."),
    description: z.string().describe('Words for people.'),
    actor: z.string().describe('Who did it: the name of an API key, or the sub of a token.'),
    cluster: z.string().describe('The cluster.'),
    job_id: z.string().describe("The scheduler's id of the job."),
    user_id: z.string().optional().describe('The user.'),
    refunded_at: Time.describe('When it was given.'),
    evidence: z
      .object({
        type: z.string().describe('What was told, like ended.'),
        at: Time.describe('When it happened.'),
        recorded_at: Time.describe('When it was written down.'),
        record: AnyJson.describe('What the scheduler said, as it was recorded.'),
      })
      .optional()
      .describe('The record that says how the run ended.'),
    notice: z
      .object({
        status: z
          .enum(['waiting', 'sent', 'given_up'])
          .describe(
            'waiting: it is tried again each minute, for three days; nothing is sent where no mail server is set. sent: a mail server took it. given_up: no address could be made of the user, it was refused, or three days have passed; last_error says which.',
          ),
        address: z.string().optional().describe('Where it was sent, or to be sent; absent until it was tried.'),
        last_error: z.string().optional().describe('Why it could not be sent, the last time; absent once it was.'),
        closed_at: Time.optional().describe('When it was sent or given up; absent while it waits.'),
      })
      .optional()
      .describe('The e-mail to the user. Absent where nobody knows whose job it was.'),
  })
  .meta({ id: 'Refund' });

export const RefundListQuery = z.object({
  account: text(64).optional().describe('Only refunds of this account.'),
  user_id: text(128).optional().describe('Only those of jobs of this user.'),
  cluster: text(64).optional().describe('Only those of jobs on this cluster.'),
  job_id: text(128).optional().describe("Only those of the job with this id of the scheduler's."),
  reason: Reason.optional(),
  from: Instant.optional().describe('Given at or after.'),
  to: Instant.optional().describe('Given at or before.'),
  ...pageQuery,
});
