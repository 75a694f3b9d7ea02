/** Deposits, withdrawals, transfers, refunds, adjustments, and the transactions they leave (contract 3.4; rulings 26). */
import { z } from 'zod';
import { ASBB_TYPES, TRANSACTION_KINDS } from '../../domain/transaction';
import {
  AccountName,
  Count,
  Description,
  IdempotencyKey,
  Instant,
  Money,
  PositiveAmount,
  SignedAmount,
  Time,
  Unit,
  alongside,
  asbbPageQuery,
  ordered,
  text,
} from './wire';

const FundId = text(64).meta({ description: 'fund_ and a ULID.' });
const TransactionIdText = text(128).meta({ description: 'txn_ and a ULID.' });
const SameUnit = Unit.describe("Must be the account's unit where it is given.");

export const DepositRequest = z
  .object({
    amount: PositiveAmount,
    unit: SameUnit.optional(),
    opens_at: Instant.optional().describe(
      'A window of its own makes a fund of its own; without one the base fund gets it.',
    ),
    closes_at: Instant.optional().describe('Exclusive.'),
    fund_id: FundId.optional().describe('Add to this fund.'),
    source: z
      .enum(['manual', 'allocation', 'grant_period', 'carry_forward'])
      .optional()
      .describe('What the fund is to say of itself, where the deposit makes one of its own. Default: manual.'),
    label: text(255, { empty: true })
      .optional()
      .describe('A word for people, like the number of the grant; kept with a fund that the deposit makes.'),
    description: Description.optional(),
    effective_at: Instant.optional(),
    idempotency_key: IdempotencyKey.optional(),
  })
  .superRefine(ordered('opens_at', 'closes_at'), alongside)
  .meta({ id: 'DepositRequest' });

export const WithdrawalRequest = z
  .object({
    amount: PositiveAmount,
    unit: SameUnit.optional(),
    fund_id: FundId.optional().describe('From this fund. Default: soonest-to-expire last.'),
    description: Description.optional(),
    idempotency_key: IdempotencyKey.optional(),
  })
  .meta({ id: 'WithdrawalRequest' });

export const TransferRequest = z
  .object({
    from: AccountName,
    to: AccountName,
    amount: PositiveAmount,
    unit: SameUnit.optional(),
    opens_at: Instant.optional().describe('A window at the receiver. Default: the money keeps the one it has.'),
    closes_at: Instant.optional().describe('Exclusive.'),
    description: Description.optional(),
    idempotency_key: IdempotencyKey.optional(),
  })
  .superRefine(ordered('opens_at', 'closes_at'), alongside)
  .superRefine((body, context) => {
    if (body.from === undefined || body.from !== body.to) return;
    context.addIssue({ code: 'custom', path: ['to'], message: 'must be another account than from' });
  }, alongside)
  .meta({ id: 'TransferRequest' });

export const RefundRequest = z
  .object({
    transaction_id: TransactionIdText.describe('The charge.'),
    amount: PositiveAmount.describe('Never more, over all refunds, than the charge.'),
    description: Description.optional(),
    idempotency_key: IdempotencyKey.optional(),
  })
  .meta({ id: 'RefundRequest' });

export const AdjustmentRequest = z
  .object({
    transaction_id: TransactionIdText.describe('The charge.'),
    amount: SignedAmount.describe('Added to the charge; negative takes away from it.'),
    description: text(2000).describe('Why; required, because people will ask.'),
    idempotency_key: IdempotencyKey.optional(),
  })
  .meta({ id: 'AdjustmentRequest' });

export const TransactionAnswer = z
  .object({
    id: Count.describe('Its number; the newest has the highest.'),
    transaction_id: z.string().describe('Its id.'),
    account_id: Count.describe("The account's number."),
    account: z.string().describe('The account.'),
    unit: z.string().describe('What amounts are counted in: a currency, or a service unit.'),
    type: z.enum(ASBB_TYPES).describe("ASBB's word for it."),
    kind: z.enum(TRANSACTION_KINDS).describe('Our word for it.'),
    direction: z.enum(['in', 'out']).describe('As seen from what is available.'),
    amount: Money,
    description: z.string().describe('Words for people.'),
    metadata: z.string().optional().describe('JSON text.'),
    status: z
      .enum(['pending', 'completed', 'cancelled'])
      .describe('pending: a hold that waits too long for its cost. cancelled: one that was given back after that.'),
    actor: z.string().describe('Who did it: the name of an API key, or the sub of a token.'),
    job_id: z.string().optional().describe("The scheduler's id of the job."),
    cluster: z.string().optional().describe('Of the job.'),
    partition: z.string().optional().describe('Of the job.'),
    user_id: z.string().optional().describe('Of the job.'),
    parent_transaction_id: z
      .string()
      .optional()
      .describe('What it is about: the hold of a charge, the charge of a refund.'),
    effective_at: Time.describe('When it happened.'),
    created_at: Time.describe('When it was written.'),
    completed_at: Time.optional().describe('When it was done; absent while it is pending.'),
    entries: z
      .array(
        z.object({
          account: z.string().describe('The account.'),
          fund_id: z.string().describe('The fund.'),
          book: z
            .enum(['available', 'held', 'settled', 'expired', 'outside'])
            .describe('Where the money is. What comes into an account comes from outside.'),
          amount: Money,
        }),
      )
      .optional()
      .describe('The lines of the books; they sum to zero.'),
  })
  .meta({ id: 'BudgetTransaction' });

export const TransactionListQuery = z.object({
  account: text(64).optional().describe('Only movements of this account.'),
  job_id: text(128).optional().describe("Only those of the job with this id of the scheduler's."),
  cluster: text(64).optional().describe('Only those of jobs on this cluster.'),
  type: z.enum(ASBB_TYPES).optional().describe('Only those that ASBB calls so.'),
  kind: z.enum(TRANSACTION_KINDS).optional().describe('Only those that we call so.'),
  status: z
    .enum(['pending', 'completed', 'failed', 'cancelled'])
    .optional()
    .describe(
      'pending: a hold that waits too long for its cost; cancelled: one that was given back after that; completed: all others. failed finds nothing.',
    ),
  user_id: text(128).optional().describe('Only those of jobs of this user.'),
  hold: text(128).optional().describe('All transactions of this hold.'),
  start_date: Instant.optional().describe('Recorded at or after.'),
  end_date: Instant.optional().describe('Recorded at or before.'),
  ...asbbPageQuery,
});

export const TransactionPath = z.object({ transaction_id: TransactionIdText });
