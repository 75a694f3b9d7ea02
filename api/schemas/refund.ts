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
    account: z.string(),
    unit: z.string(),
    amount: Money,
    charged: Money.describe('The charge as it is, with its adjustments.'),
    refunded: Money.describe('What of it is back, by all refunds together.'),
    reason: Reason,
    policy: z.enum(REFUND_POLICIES).optional().describe("The cluster's, at that time. A manual refund has none."),
    description: z.string(),
    actor: z.string(),
    cluster: z.string(),
    job_id: z.string(),
    user_id: z.string().optional(),
    refunded_at: Time,
    evidence: z
      .object({
        type: z.string(),
        at: Time.describe('When it happened.'),
        recorded_at: Time,
        record: AnyJson.describe('What the scheduler said, as it was recorded.'),
      })
      .optional()
      .describe('The record that says how the run ended.'),
    notice: z
      .object({
        status: z.enum(['waiting', 'sent', 'given_up']),
        address: z.string().optional(),
        last_error: z.string().optional(),
        closed_at: Time.optional(),
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
