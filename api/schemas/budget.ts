/** ASBB's budget check and reconcile, with what we add (contract 3.1, 3.2; rulings 14, 15). */
import { z } from 'zod';
import { ADVICE_OUTCOMES } from '../../domain/advice';
import { Fault } from '../../domain/faults';
import { ESTIMATE_METHODS } from '../../domain/price';
import { readArrayTasks } from '../../domain/slurm-job';
import { readGres, readMemory, readTres } from '../../domain/slurm-resources';
import { readTimeLimit } from '../../domain/slurm-time';
import {
  AccountName,
  ClusterName,
  ClusterTime,
  Cost,
  Count,
  IdempotencyKey,
  JsonObject,
  Money,
  PartitionName,
  Time,
  UserName,
  alongside,
  idLike,
  pluginCount,
  readWith,
  text,
  understood,
} from './wire';

const WallTime = idLike(64)
  .transform(readWith(readTimeLimit))
  .meta({
    type: ['string', 'integer'],
    description:
      'Slurm time: minutes, M:S, H:M:S, D-H, D-H:M, D-H:M:S, UNLIMITED. Hours above 99 are fine. Without a finite limit the partition decides.',
  });
const Memory = text(64).transform(understood(readMemory)).meta({
  type: 'string',
  description:
    "Memory of the whole job, like 64GB or 4096MB (bare numbers are MB). SLURM's per-CPU flag is understood.",
});
const Tres = text(1000).transform(understood(readTres)).meta({
  type: 'string',
  description:
    "What is really asked for, in Slurm's words: cpu=16,mem=64G,node=2,gres/gpu:a100=4. Wins over the single fields.",
});
const Gres = text(1000).transform(understood(readGres)).meta({
  type: 'string',
  description: 'gpu:4, gpu:a100:4 or gres/gpu:a100=4, per job.',
});

/** What a job, or one component of a heterogeneous one, asks for. */
const shape = {
  partition: PartitionName,
  nodes: pluginCount(1, 10_000_000).optional().describe('Nodes. Required unless tres says it.'),
  cpus: pluginCount(1, 1_000_000_000)
    .optional()
    .describe("CPUs of the whole job, as Slurm's submit plugin sends it. Required unless tres says it."),
  gpus: pluginCount(0, 100_000_000).optional().describe('GPUs of the whole job.'),
  memory: Memory.optional(),
  gres: Gres.optional(),
  tres: Tres.optional(),
  wall_time: WallTime,
};

/** A bare number is how many, not which one. */
const readArrayCount = (text: string): number => {
  if (/^[1-9]\d{0,6}$/.test(text)) return readArrayTasks(`1-${text}`);
  if (/[-,]/.test(text)) return readArrayTasks(text);
  throw new Fault(
    'malformed_request',
    `"${text}" is no number of array tasks; give at least 1, or the list as in --array (0-15:4%2)`,
  );
};

const isRequired = (context: z.core.$RefinementCtx, field: string) =>
  context.addIssue({ code: 'custom', path: [field], message: 'is required' });

const countsOrTres = (
  job: { nodes?: number | undefined; cpus?: number | undefined; tres?: string | undefined },
  complain: (path: string) => void,
) => {
  if (job.tres !== undefined) return;
  if (job.nodes === undefined) complain('nodes');
  if (job.cpus === undefined) complain('cpus');
};

export const BudgetComponent = z
  .object(shape)
  .superRefine((job, context) => countsOrTres(job, (field) => isRequired(context, field)), alongside)
  .meta({ id: 'BudgetComponent', description: 'One component of a heterogeneous job.' });

/** What comes out is one job with its partition and its time limit, or the components of one. */
export const BudgetCheckRequest = z
  .object({
    account: AccountName,
    ...shape,
    partition: shape.partition.optional().describe('The partition. Required unless components say it.'),
    wall_time: shape.wall_time
      .optional()
      .describe(`${WallTime.meta()?.description} Required unless components say it.`),
    job_script: z.string().max(500_000).optional().describe("The job's script. An advisor is told it; it is not kept."),
    user_id: UserName.optional(),
    job_details: JsonObject.optional().describe('Anything worth keeping: job_name, work_dir. Kept with the decision.'),
    cluster: ClusterName.optional().describe('Default: the configured default cluster.'),
    job_id: idLike(128).optional().describe("The scheduler's id, where it is known already."),
    job_name: text(1000).optional().describe('The name that its user gave the job; kept with the decision.'),
    array_tasks: idLike(1000)
      .transform(readWith(readArrayCount))
      .meta({ type: ['integer', 'string'] })
      .optional()
      .describe('Tasks of a job array, or its list as in --array (0-15:4%2): the whole array is held at once.'),
    components: z
      .array(BudgetComponent)
      .min(1)
      .max(128)
      .optional()
      .describe('A heterogeneous job, all or nothing; replaces partition, nodes, cpus and the like above.'),
    at: ClusterTime.optional().describe(
      `Decide as if asked then: for logs that are replayed and spools that come late. ${ClusterTime.meta()?.description}`,
    ),
    idempotency_key: IdempotencyKey.optional(),
  })
  .superRefine((job, context) => {
    if (job.components !== undefined) return;
    if (job.partition === undefined) isRequired(context, 'partition');
    countsOrTres(job, (field) => isRequired(context, field));
    if (job.wall_time === undefined) isRequired(context, 'wall_time');
  }, alongside)
  .transform(({ components, partition, wall_time, ...body }, context) => {
    if (components !== undefined) return { ...body, components };
    if (partition !== undefined && wall_time !== undefined) return { ...body, partition, wall_time };
    isRequired(context, partition === undefined ? 'partition' : 'wall_time');
    return z.NEVER;
  })
  .meta({ id: 'BudgetCheckRequest' });

export const BudgetDecision = z
  .object({
    available: z.boolean().describe('Whether the job may start. A no is HTTP 200 too.'),
    code: z.string().describe("'placed', or why not: the code of the refusal."),
    message: z.string().describe('The whole sentence for the user.'),
    account: z.string().describe('The account.'),
    unit: z.string().describe('What amounts are counted in: a currency, or a service unit.'),
    cluster: z.string().describe('The cluster.'),
    time_zone: z.string().describe("The cluster's zone."),
    estimated_cost: Money,
    hold_amount: Money.describe('What is held, or would have been.'),
    transaction_id: z.string().optional().describe("The hold's id."),
    component_transaction_ids: z.array(z.string()).optional().describe('Heterogeneous jobs: one hold a component.'),
    budget_remaining: Money.describe('After this hold (yes), or now (no).'),
    recommendation: z.string().optional().describe('What the user can do, in words.'),
    confidence: z.number().min(0).max(1).describe('How sure the estimate is, from 0 to 1.'),
    details: z
      .object({
        account_balance: Money.describe('Before this hold.'),
        current_hold: Money.describe('Held in the account, this hold included.'),
        partition_used: Money.optional(),
        partition_limit: Money.optional(),
        hold_percentage: z.number().describe('The multiplier of the estimate; 1.2 holds 120 %.'),
        estimator: z.enum(ESTIMATE_METHODS).describe('Who made the estimate.'),
        advisor_confidence: z.number().min(0).max(1).describe('How sure whoever made the estimate is.'),
        advisor: z
          .object({
            outcome: z.enum(ADVICE_OUTCOMES).describe('answered, or why not.'),
            detail: z.string().describe('What it said, or why it did not and what was used instead.'),
            numerals: z.array(z.string()).optional().describe('What it said of each component, digit for digit.'),
          })
          .optional()
          .describe('Where the site has an advisor: whether it spoke.'),
      })
      .describe('The money around it, and who made the estimate.'),
    estimate: z
      .object({
        method: z.enum(ESTIMATE_METHODS).describe('How it was made.'),
        confidence: z.number().describe('How sure the estimate is, from 0 to 1.'),
        lines: z.array(z.string()).describe('Its arithmetic, in words.'),
        unbilled: z
          .array(z.string())
          .describe('What costs nothing: kinds without any rate on this cluster, and TRES that no rate can be for.'),
      })
      .describe('How the estimate was made.'),
    explanation: z
      .record(z.string(), z.unknown())
      .optional()
      .describe(
        'Of a no: which limit, by how much, what would fit, when the next money arrives. Amounts are decimal strings.',
      ),
    at: Time.describe('As of when it was decided.'),
    note: z
      .string()
      .optional()
      .describe('How the time that was asked for was read, where that could be done in two ways.'),
    replayed: z.boolean().describe('True where an earlier answer to the same key is given again.'),
  })
  .meta({ id: 'BudgetDecision' });

export const ReconcileRequest = z
  .object({
    job_id: idLike(128).optional().describe("The scheduler's job id; a number or a string."),
    actual_cost: Cost,
    transaction_id: text(128).optional().describe("The hold's id. Without it the hold is found by job_id."),
    cluster: ClusterName.optional().describe(
      'Where job_id was given. Default: any; an open hold before a closed one, the newest first.',
    ),
    job_metadata: z.unknown().optional().describe('JSON text or an object; kept.'),
    correction: z
      .boolean()
      .optional()
      .describe('A run that was reconciled before with another cost is adjusted instead of refused.'),
    idempotency_key: IdempotencyKey.optional(),
  })
  .superRefine((body, context) => {
    if (body.job_id !== undefined || body.transaction_id !== undefined) return;
    for (const field of ['job_id', 'transaction_id']) {
      context.addIssue({ code: 'custom', path: [field], message: 'is required: send transaction_id, job_id or both' });
    }
  }, alongside)
  .meta({ id: 'ReconcileRequest' });

export const ReconcileAnswer = z
  .object({
    success: z.literal(true).describe('True; what fails is a problem instead.'),
    status: z
      .enum(['settled', 'waiting'])
      .describe('waiting: no hold is known for the job yet; the cost is charged once there is one.'),
    original_hold: Money,
    actual_charge: Money,
    refund_amount: Money.describe('Held and given back.'),
    additional_charge: Money.describe('Charged beyond the hold.'),
    transaction_id: z.string().optional().describe("The hold's id; absent while the cost waits for one."),
    unit: z.string().optional().describe('What amounts are counted in: a currency, or a service unit.'),
    unmatched_id: Count.optional().describe('Under which number the cost waits, in /unmatched.'),
    message: z.string().describe('The whole sentence for people.'),
    replayed: z.boolean().describe('True where the same cost had been reported before; nothing moved.'),
  })
  .meta({ id: 'ReconcileAnswer' });
