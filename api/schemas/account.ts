/** Accounts, their policy, funds, limits, balance and statement (contract 3.3; rulings 5, 6, 8, 27). */
import { z } from 'zod';
import { EXHAUSTION_POLICIES, REQUEUE_POLICIES } from '../../domain/policy';
import {
  AccountName,
  Amount,
  Count,
  Description,
  IdempotencyKey,
  Instant,
  LimitedUser,
  Money,
  PartitionName,
  Time,
  TimeZone,
  Unit,
  alongside,
  asbbPageQuery,
  HoldMultiplier,
  flag,
  ordered,
  text,
  FundSource,
} from './wire';

const OnExhaustion = z
  .enum(EXHAUSTION_POLICIES)
  .describe('When the money is out: refuse, or hold on as far as overdraft_limit.');
const OnRequeueShortfall = z.enum(REQUEUE_POLICIES).describe('When a requeued job cannot be held in full again.');
const SettableStatus = z
  .enum(['active', 'inactive', 'suspended'])
  .describe('Only an active account takes new jobs; what is held already is charged as ever.');
const OwnHoldMultiplier = HoldMultiplier.describe(
  "Multiplies estimates into holds; default: the cluster's. At most 100.",
);
const Parent = z
  .string()
  .max(64)
  .describe('The account above, which limits this one and all others below it. "" is none.');
const SubtreeLimit = Amount.describe('Cap on settled + held of this account and everything below it.');

const settings = {
  name: text(255).describe('A title for people.'),
  description: Description,
  budget_limit: Amount.describe('Granted money. A change deposits or withdraws the difference in the base fund.'),
  start_date: Instant,
  end_date: Instant.describe('Exclusive.'),
  status: SettableStatus,
  time_zone: TimeZone,
  parent: Parent,
  subtree_limit: SubtreeLimit,
  on_exhaustion: OnExhaustion,
  overdraft_limit: Amount,
  on_requeue_shortfall: OnRequeueShortfall,
  hold_multiplier: OwnHoldMultiplier,
};

const NO_SCHEDULES = 'allocation schedules are not there yet; create the account without it and deposit what is due';

export const CreateAccountRequest = z
  .object({
    slurm_account: AccountName,
    ...z.object(settings).partial().shape,
    name: settings.name,
    start_date: settings.start_date,
    end_date: settings.end_date,
    unit: Unit.optional().describe('Default USD. Never changes.'),
    has_incremental_budget: z
      .boolean()
      .refine((wanted) => !wanted, NO_SCHEDULES)
      .optional()
      .describe("ASBB's; only false is taken, for there are no allocation schedules yet."),
    allocation_schedule: z.unknown().optional().describe("ASBB's; refused, for there are none yet."),
    idempotency_key: IdempotencyKey.optional(),
  })
  .superRefine(ordered('start_date', 'end_date'), alongside)
  .superRefine((body, context) => {
    if (body.allocation_schedule === undefined) return;
    context.addIssue({ code: 'custom', path: ['allocation_schedule'], message: NO_SCHEDULES });
  }, alongside)
  .meta({ id: 'CreateAccountRequest' });

export const UpdateAccountRequest = z
  .object(settings)
  .partial()
  .extend({ idempotency_key: IdempotencyKey.optional() })
  .superRefine(ordered('start_date', 'end_date'), alongside)
  .meta({ id: 'UpdateAccountRequest', description: 'What is absent or null stays as it is.' });

export const AccountAnswer = z
  .object({
    id: Count.describe('Its number.'),
    slurm_account: z.string().describe('Its name, which schedulers know it by.'),
    name: z.string().describe('A title for people.'),
    description: z.string().describe('What it is for.'),
    unit: z.string().describe('What amounts are counted in: a currency, or a service unit.'),
    time_zone: z.string().describe('The IANA zone that zoneless times and days are read in.'),
    budget_limit: Money.describe('Granted: deposits and transfers in, less withdrawals, transfers out and expiry.'),
    budget_used: Money.describe('Settled.'),
    budget_held: Money,
    budget_available: Money.describe('granted - settled - held'),
    has_incremental_budget: z.boolean().describe('Whether its money comes by a schedule.'),
    total_allocated: Money,
    start_date: Time.describe('When its window opens.'),
    end_date: Time.describe('When its window closes; exclusive.'),
    status: z.enum(['active', 'inactive', 'suspended', 'expired']).describe('expired: its window has ended.'),
    parent: z.string().optional().describe('The account above, which limits this one.'),
    subtree_limit: Money.optional(),
    on_exhaustion: OnExhaustion,
    overdraft_limit: Money,
    on_requeue_shortfall: OnRequeueShortfall,
    hold_multiplier: z
      .number()
      .optional()
      .describe("What estimates are multiplied by to make holds. Absent: the cluster's."),
    overspent_at: Time.optional().describe('Set when a charge went beyond the funds and the overdraft.'),
    created_at: Time.describe('When it was made.'),
    updated_at: Time.describe('When it was last changed.'),
    archived_at: Time.optional().describe('When it was archived; absent while it is open.'),
  })
  .meta({ id: 'BudgetAccount' });

export const AccountListQuery = z.object({
  status: z
    .enum(['active', 'inactive', 'suspended', 'expired'])
    .optional()
    .describe('Only accounts with this status; expired ones are those whose window has ended.'),
  parent: text(64).optional().describe('Only the accounts directly below this one.'),
  archived: flag.optional().describe('true: archived ones only; false: open ones only. Default: open ones only.'),
  ...asbbPageQuery,
});

export const PolicyRequest = z
  .object({
    on_exhaustion: OnExhaustion,
    overdraft_limit: Amount,
    on_requeue_shortfall: OnRequeueShortfall,
    hold_multiplier: OwnHoldMultiplier.nullable().describe(
      "Multiplies estimates into holds; null: the cluster's. At most 100.",
    ),
    parent: Parent.nullable().describe('The account above, which limits this one and all others below it; null: none.'),
    subtree_limit: SubtreeLimit.nullable().describe(
      'Cap on settled + held of this account and everything below it; null: none.',
    ),
  })
  .partial()
  .extend({ idempotency_key: IdempotencyKey.optional() })
  .meta({ id: 'PolicyRequest', description: 'What is absent stays as it is; null takes it away.' });

export const PolicyAnswer = z
  .object({
    account: z.string().describe('The account.'),
    unit: z.string().describe('What amounts are counted in: a currency, or a service unit.'),
    on_exhaustion: OnExhaustion,
    overdraft_limit: Money,
    on_requeue_shortfall: OnRequeueShortfall,
    hold_multiplier: z
      .number()
      .nullable()
      .describe("What estimates are multiplied by to make holds. null: the cluster's."),
    parent: z.string().nullable().describe('The account above, which limits this one. null: none.'),
    subtree_limit: Money.nullable().describe(
      'Cap on settled + held of this account and everything below it. null: none.',
    ),
  })
  .meta({ id: 'Policy' });

export const FundAnswer = z
  .object({
    fund_id: z.string().describe('Its id.'),
    account: z.string().describe('The account.'),
    unit: z.string().describe('What amounts are counted in: a currency, or a service unit.'),
    source: FundSource,
    label: z.string().describe('A word for people.'),
    opens_at: Time.describe('When its window opens.'),
    closes_at: Time.nullable().describe('When its window closes; exclusive. null: never.'),
    status: z
      .enum(['upcoming', 'open', 'expired'])
      .describe('expired: its window has ended; what was free in it is not shown as granted any more.'),
    granted: Money,
    settled: Money,
    held: Money,
    available: Money,
  })
  .meta({ id: 'Fund' });

export const LimitAnswer = z
  .object({
    account: z.string().describe('The account.'),
    unit: z.string().describe('What amounts are counted in: a currency, or a service unit.'),
    partition: z.string().optional().describe('Absent: for all partitions.'),
    user: z.string().optional().describe('Absent: for all users together.'),
    limit: Money,
    used: Money.describe('Settled.'),
    held: Money,
    remaining: Money,
    opens_at: Time.optional().describe("When its window opens. Absent: with the account's."),
    closes_at: Time.optional().describe("When its window closes; exclusive. Absent: with the account's."),
  })
  .meta({ id: 'Limit' });

export const LimitRequest = z
  .object({
    limit: Amount.describe("Cap on settled + held over the account's window, or over the window given here."),
    opens_at: Instant.optional(),
    closes_at: Instant.optional().describe('Exclusive.'),
    idempotency_key: IdempotencyKey.optional(),
  })
  .superRefine(ordered('opens_at', 'closes_at'), alongside)
  .meta({ id: 'LimitRequest' });

export const UserLimitQuery = z.object({ partition: PartitionName.optional() });
export const PartitionLimitPath = z.object({ account: AccountName, partition: PartitionName });
export const UserLimitPath = z.object({ account: AccountName, user: LimitedUser });
export const AccountPath = z.object({ account: AccountName });

export const BalanceQuery = z.object({ at: Instant.optional().describe('As of then. Default: now.') });

export const BalanceAnswer = z
  .object({
    account: z.string().describe('The account.'),
    unit: z.string().describe('What amounts are counted in: a currency, or a service unit.'),
    time_zone: z.string().describe('The IANA zone that zoneless times and days are read in.'),
    at: Time.describe('As of when.'),
    budget_limit: Money,
    budget_used: Money,
    budget_held: Money,
    budget_available: Money,
    granted: Money,
    settled: Money,
    held: Money,
    in_flight: Money.describe('Accrued by running jobs, as far as their holds cover it.'),
    committed: Money.describe('held - in_flight'),
    available: Money,
    over_hold: Money.describe('What running jobs have accrued beyond their holds; counts once it is settled.'),
    overdraft_used: Money,
    overdraft_limit: Money,
    upcoming: Money.describe('In funds that open later; not part of granted.'),
    difference: Money.describe('granted - settled - in_flight - committed - available: zero.'),
    next_money_at: Time.optional().describe('When its next fund opens.'),
    funds: z.array(FundAnswer).describe('The soonest to expire first.'),
    subtree: z
      .object({ settled: Money, held: Money, limit: Money.optional() })
      .optional()
      .describe('Of the account and all below it, where there are any.'),
    limits: z.array(LimitAnswer).describe('The caps of partitions and users.'),
  })
  .meta({ id: 'Balance' });

export const StatementQuery = z
  .object({ from: Instant, to: Instant.describe('Exclusive.') })
  .superRefine(ordered('from', 'to'), alongside);

const StatementBalance = z.object({ granted: Money, settled: Money, held: Money, available: Money });

export const StatementAnswer = z
  .object({
    account: z.string().describe('The account.'),
    unit: z.string().describe('What amounts are counted in: a currency, or a service unit.'),
    time_zone: z.string().describe('The IANA zone that zoneless times and days are read in.'),
    from: Time.describe('The first moment of it.'),
    to: Time.describe('Exclusive.'),
    opening: StatementBalance.describe('How it stood at the beginning.'),
    lines: StatementBalance.extend({
      at: Time.describe('When it happened.'),
      transaction_id: z.string().describe('The movement.'),
      kind: z.string().describe('What moved, like charge.'),
      description: z.string().describe('Words for people.'),
      job_id: z.string().optional().describe("The scheduler's id of the job."),
      user_id: z.string().optional().describe('The user.'),
    })
      .array()
      .describe('The movements in order, with what each changed.'),
    closing: StatementBalance.describe('How it stands at the end.'),
  })
  .meta({ id: 'Statement', description: 'By the time it happened. Lines carry changes: opening + lines = closing.' });
