/** Reports that wait for a hold. */
import { z } from 'zod';
import { AccountName, Count, IdempotencyKey, Money, Time, alongside, integer, pageQuery, text } from './wire';

const Source = z
  .enum(['reconcile', 'epilog', 'asbx'])
  .describe('reconcile: a cost with a job id only; epilog: the end of a job; asbx: a report of ASBX.');

const Status = z
  .enum(['waiting', 'applied', 'resolved', 'dismissed'])
  .describe('applied: by itself, once the job had a hold; resolved, dismissed: by somebody.');

const fields = {
  id: Count.describe('Its number.'),
  source: Source,
  status: Status,
  why: z
    .enum(['no_hold', 'several_holds'])
    .describe('no_hold: none is known for the job; several_holds: it may be about one of several that differ.'),
  cluster: z.string().describe('The cluster.'),
  time_zone: z.string().describe("The cluster's."),
  job_id: z.string().describe("The scheduler's id of the job."),
  account: z.string().optional().describe('The account.'),
  unit: z.string().optional().describe("The account's, where it is known."),
  user_id: z.string().optional().describe('The user.'),
  partition: z.string().optional().describe('The partition.'),
  submitted_at: Time.optional().describe('When the job was submitted.'),
  cost: Money.optional().describe('Absent: the job is charged by its usage.'),
  received_at: Time.describe('When it came.'),
  received_by: z.string().describe('Who sent it.'),
  transaction_id: z.string().optional().describe('The hold that it was given to.'),
  reason: z.string().optional().describe('Why it was dismissed, or given to that hold.'),
  closed_by: z.string().optional().describe('Who ended the waiting; bursar: by itself.'),
  closed_at: Time.optional().describe('When that was over; absent before.'),
};

export const UnmatchedAnswer = z.object(fields).meta({ id: 'UnmatchedReport' });

export const UnmatchedDetailsAnswer = z
  .object({
    ...fields,
    evidence: z.unknown().describe('The report as it was received.'),
    candidates: z
      .array(
        z.object({
          transaction_id: z.string().describe('The hold.'),
          partition: z.string().describe('The partition.'),
          user_id: z.string().optional().describe('The user.'),
          held: Money,
          effective_at: Time.describe('When its job was checked.'),
        }),
      )
      .describe('While it waits: open holds that it may be about.'),
  })
  .meta({ id: 'UnmatchedReportDetails' });

export const UnmatchedListQuery = z.object({
  status: z
    .enum(['waiting', 'applied', 'resolved', 'dismissed', 'all'])
    .optional()
    .describe('Default: waiting; all: whatever became of them.'),
  source: Source.optional(),
  cluster: text(64).optional().describe('Only reports from this cluster.'),
  account: text(64).optional().describe('Only reports that name this account.'),
  job_id: text(128).optional().describe("Only reports about this id of the scheduler's."),
  ...pageQuery,
});

export const UnmatchedPath = z.object({ id: integer(1, 9_007_199_254_740_991).describe('The number of the report.') });

export const ResolveUnmatchedRequest = z
  .object({
    transaction_id: text(128).optional().describe('The hold that the report is about.'),
    account: AccountName.optional().describe('Charges this account instead, without a hold.'),
    reason: text(2000).optional().describe('Why it is that hold, or that account; kept with the report.'),
    idempotency_key: IdempotencyKey.optional(),
  })
  .superRefine(({ transaction_id, account }, context) => {
    if ((transaction_id === undefined) !== (account === undefined)) return;
    const message = 'give either transaction_id (the hold), or account (to charge it without a hold)';
    for (const field of ['transaction_id', 'account']) context.addIssue({ code: 'custom', path: [field], message });
  }, alongside)
  .meta({ id: 'ResolveUnmatchedRequest' });

export const DismissUnmatchedRequest = z
  .object({ reason: text(2000).describe('Why nothing is charged for it.'), idempotency_key: IdempotencyKey.optional() })
  .meta({ id: 'DismissUnmatchedRequest' });
