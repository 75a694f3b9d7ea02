/** Clusters, partitions and rates: where jobs run and what that costs. */
import { z } from 'zod';
import {
  COST_SOURCES,
  ENFORCEMENTS,
  FAILURE_POLICIES,
  PRICE_PRESETS,
  REFUND_POLICIES,
  UNPRICED_POLICIES,
  WITHOUT_ACCOUNT,
} from '../../domain/policy';
import {
  Amount,
  PositiveAmount,
  ClusterName,
  Count,
  IdempotencyKey,
  Instant,
  Money,
  PartitionName,
  Time,
  TimeZone,
  Unit,
  UserName,
  alongside,
  factor,
  HoldMultiplier,
  integer,
  ordered,
  pageQuery,
  text,
} from './wire';

const FailurePolicy = z
  .enum(FAILURE_POLICIES)
  .describe(
    'What hooks do when Bursar cannot be reached: let jobs in (open), refuse them, or let them in up to failure_limit.',
  );
const Enforcement = z
  .enum(ENFORCEMENTS)
  .describe('shadow: every decision is made and recorded, and no job of a hook is refused.');
const WithoutAccount = z
  .enum(WITHOUT_ACCOUNT)
  .describe('Submissions that name no account, and whose user has no default one.');
const LIMIT_NOTE = 'How much an hour hooks let in by themselves, where failure_policy is open_to_limit.';
const CostSource = z
  .enum(COST_SOURCES)
  .describe('usage: settled at the end from rates; reported: a cost is waited for.');
const Seconds = integer(1, 2_000_000_000);
const RefundPolicy = z.enum(REFUND_POLICIES);

const refundPolicies = {
  refund_node_fail: RefundPolicy.describe('What a run gets back whose node failed.'),
  refund_boot_fail: RefundPolicy.describe('What a run gets back whose node did not boot.'),
  refund_preempted: RefundPolicy.describe('What a run gets back that was preempted.'),
  refund_admin_cancel: RefundPolicy.describe('What a run gets back that somebody else than its user cancelled.'),
};
const LOST_TIME = 'lost_time gives back what the run cost in its last so many seconds.';

const END_GRACE =
  'How many seconds after its time limit a running job may go unheard of. Then the scheduler is asked what became of it, and its hold is overdue where that cannot say. What is told late is given as long, too.';
const RECONCILIATION_TIMEOUT =
  'How many seconds a reported cost is waited for once a job has ended (then it is charged by its usage, until the cost comes), and the start of a job that nobody has told of. Without a scheduler to ask, a hold goes back after twice that.';

const clusterSettings = {
  time_zone: TimeZone.describe('IANA zone of times without one, and of days.'),
  default_partition: PartitionName.nullable().describe(
    'Of jobs that name none, as the scheduler has it; null: not known, and they are priced as in no partition.',
  ),
  enforcement: Enforcement.describe('enforce, or shadow: every decision is recorded and none is applied.'),
  failure_policy: FailurePolicy.describe('What hooks do while the service is away.'),
  failure_limit: PositiveAmount.nullable().describe(LIMIT_NOTE),
  exempt_users: z
    .array(UserName)
    .max(1000)
    .describe('Users whose submissions are neither asked about nor charged. Default: root.'),
  without_account: WithoutAccount,
  cost_source: CostSource,
  unpriced: z.enum(UNPRICED_POLICIES).describe('What happens at admission to what has no price.'),
  price_preset: z.enum(PRICE_PRESETS).describe('What prices while no rate has been entered.'),
  hold_multiplier: HoldMultiplier.describe('1.2 holds 120 % of the estimate. At most 100.'),
  hold_cap: PositiveAmount.nullable().describe('No hold above this.'),
  minimum_charge: Amount,
  end_grace_seconds: integer(0, 2_000_000_000).describe(`${END_GRACE} Default: 300.`),
  reconciliation_timeout_seconds: Seconds.describe(`${RECONCILIATION_TIMEOUT} Default: 86400.`),
  ...refundPolicies,
  refund_lost_time_seconds: Seconds.describe(LOST_TIME),
};

export const CreateClusterRequest = z
  .object({
    name: ClusterName,
    ...z.object(clusterSettings).partial().shape,
    time_zone: clusterSettings.time_zone,
    idempotency_key: IdempotencyKey.optional(),
  })
  .meta({ id: 'CreateClusterRequest' });

export const PutClusterRequest = z
  .object(clusterSettings)
  .partial()
  .extend({ idempotency_key: IdempotencyKey.optional() })
  .meta({ id: 'PutClusterRequest', description: 'What is absent stays as it is; null takes it away.' });

export const PutPartitionRequest = z
  .object({
    max_time_seconds: integer(1, 10_000_000_000).optional().describe('What UNLIMITED means here.'),
    default_time_seconds: integer(1, 10_000_000_000).optional().describe('For jobs that say nothing.'),
    queue_weight: factor({ min: 'zero' }).optional().describe('Multiplies the cost; default 1.'),
    cost_source: CostSource.optional(),
    failure_policy: FailurePolicy.optional(),
    failure_limit: PositiveAmount.optional().describe(LIMIT_NOTE),
    exempt: z.boolean().optional().describe('Jobs here are neither asked about nor charged.'),
    idempotency_key: IdempotencyKey.optional(),
  })
  .meta({ id: 'PutPartitionRequest', description: 'The whole partition as it shall be: what is absent is unset.' });

export const PartitionAnswer = z
  .object({
    name: z.string().describe('Its name.'),
    max_time_seconds: Count.optional().describe('What UNLIMITED means here, in seconds.'),
    default_time_seconds: Count.optional().describe('The limit of jobs that name none, in seconds.'),
    queue_weight: z.number().describe('What costs are multiplied by.'),
    cost_source: CostSource.optional(),
    failure_policy: FailurePolicy.optional().describe('What hooks do while the service is away.'),
    failure_limit: Money.optional(),
    exempt: z.boolean().describe('Jobs here are neither asked about nor charged.'),
  })
  .meta({ id: 'Partition' });

export const ClusterAnswer = z
  .object({
    name: z.string().describe('Its name.'),
    time_zone: z.string().describe('The IANA zone that zoneless times and days are read in.'),
    unit: z
      .string()
      .optional()
      .describe(
        'What its rates, failure_limit, hold_cap and minimum_charge are counted in: a currency, or a service unit. Absent: it has no rates.',
      ),
    default_partition: z.string().optional().describe('Of jobs that name none.'),
    enforcement: Enforcement.describe('enforce, or shadow: every decision is recorded and none is applied.'),
    failure_policy: FailurePolicy.describe('What hooks do while the service is away.'),
    failure_limit: Money.optional(),
    exempt_users: z.array(z.string()).describe('Users who are neither asked about nor charged.'),
    without_account: WithoutAccount,
    cost_source: CostSource,
    unpriced: z.enum(UNPRICED_POLICIES).describe('What becomes of a job without a price.'),
    price_preset: z.enum(PRICE_PRESETS).describe('What prices while no rate has been entered.'),
    hold_multiplier: z.number().describe('What estimates are multiplied by to make holds.'),
    hold_cap: Money.optional(),
    minimum_charge: Money,
    end_grace_seconds: Count.describe(END_GRACE),
    reconciliation_timeout_seconds: Count.describe(RECONCILIATION_TIMEOUT),
    ...refundPolicies,
    refund_lost_time_seconds: Count.describe(LOST_TIME),
    partitions: z.array(PartitionAnswer).describe('Those that are known.'),
  })
  .meta({ id: 'Cluster' });

export const ClusterPath = z.object({ cluster: ClusterName });
export const PartitionPath = z.object({ cluster: ClusterName, partition: PartitionName });

const Resource = z
  .string()
  .max(128)
  .regex(/^(node|cpu|mem|gpu|gpu:[a-z0-9_.-]+)$/, 'must be node, cpu, mem, gpu or gpu:<model> in lower case')
  .meta({ description: 'node, cpu, mem (per GiB), gpu, or gpu:<model>.' });

const eitherPrice = (context: z.core.$RefinementCtx) =>
  context.addIssue({
    code: 'custom',
    path: ['price'],
    message: 'give either price (money per resource-hour) or su_per_unit (service units per resource-hour)',
  });

/** What comes out has its rate: nobody after this has to ask which of the two it was, or to guess one. */
export const RateRequest = z
  .object({
    cluster: ClusterName,
    partition: PartitionName.optional().describe('Default: every partition that has no rate of its own.'),
    resource: Resource,
    unit: Unit.describe('What it costs: a currency, or a service unit.'),
    price: Amount.optional().describe('Money per resource-hour.'),
    su_per_unit: Amount.optional().describe('Service units per resource-hour.'),
    starts_at: Instant,
    ends_at: Instant.optional().describe('Exclusive. Default: until a later rate.'),
    source: text(500).describe('Where the figure comes from.'),
    idempotency_key: IdempotencyKey.optional(),
  })
  .superRefine(ordered('starts_at', 'ends_at'), alongside)
  .superRefine((body, context) => {
    if ((body.price === undefined) === (body.su_per_unit === undefined)) eitherPrice(context);
  }, alongside)
  .transform(({ price, su_per_unit: suPerUnit, ...body }, context) => {
    const rate = price ?? suPerUnit;
    if (rate !== undefined) return { ...body, rate };
    eitherPrice(context);
    return z.NEVER;
  })
  .meta({ id: 'RateRequest' });

export const RateAnswer = z
  .object({
    rate_no: Count.describe('Its number.'),
    cluster: z.string().describe('The cluster.'),
    partition: z.string().optional().describe('Absent: every partition that has no rate of its own.'),
    resource: z.string().describe('node, cpu, mem (a GiB), gpu, or gpu:<model>.'),
    unit: z.string().describe('What amounts are counted in: a currency, or a service unit.'),
    rate: Money.describe('In unit, per resource-hour.'),
    price: Money.optional().describe('The same, where the unit is a currency.'),
    su_per_unit: Money.optional().describe('The same, where the unit is a service unit.'),
    starts_at: Time.describe('From when it is in force.'),
    ends_at: Time.nullable().describe('Until when; exclusive. null: until a later rate.'),
    source: z.string().describe('Where the figure comes from.'),
  })
  .meta({ id: 'Rate' });

export const RateListQuery = z.object({
  cluster: text(64).optional().describe('Only rates of this cluster.'),
  partition: text(128).optional().describe('Only rates of this partition; not those of the whole cluster.'),
  resource: text(128).optional().describe('Only rates of this resource: node, cpu, mem, gpu or gpu:<model>.'),
  at: Instant.optional().describe('In force then.'),
  ...pageQuery,
});

export const RatePath = z.object({
  rate_no: integer(1, Number.MAX_SAFE_INTEGER).describe('The number that the list of rates shows.'),
});
export const EndRateRequest = z
  .object({ ends_at: Instant.describe('Exclusive.'), idempotency_key: IdempotencyKey.optional() })
  .meta({ id: 'EndRateRequest' });
