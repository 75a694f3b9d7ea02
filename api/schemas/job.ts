/** Job events, jobs and their stories. */
import { z } from 'zod';
import { Fault } from '../../domain/faults';
import { END_STATES, JOB_EVENT_TYPES, JOB_STATES, type EndState, CHARGE_SOURCES } from '../../domain/job';
import { ADMISSIONS } from '../../domain/policy';
import { readState } from '../../domain/slurm-job';
import { readMemory, readTres } from '../../domain/slurm-resources';
import { readTimeLimit } from '../../domain/slurm-time';
import { BudgetDecision } from './budget';
import { HoldAnswer } from './hold';
import { TransactionAnswer } from './movement';
import {
  AnyJson,
  ClusterName,
  ClusterTime,
  Cost,
  Count,
  Money,
  PartitionName,
  Time,
  UserName,
  alongside,
  flag,
  idLike,
  integer,
  pageQuery,
  pluginCount,
  readWith,
  text,
  understood,
} from './wire';

/** `CANCELLED by 1000`, `completed` and a bare exit code are all said by somebody. */
function readEndState(text: string): { endState: EndState; cancelledBy?: string } {
  const { endState, cancelledBy } = readState(text);
  if (endState === undefined) throw new Fault('malformed_request', `must be one of ${END_STATES.join(', ')}`);
  return { endState, ...(cancelledBy === undefined ? {} : { cancelledBy }) };
}

export const JobEventRequest = z
  .object({
    type: z.enum(JOB_EVENT_TYPES).describe('What happened.'),
    cluster: ClusterName.optional().describe('Default: the configured default cluster.'),
    job_id: idLike(128).describe("The scheduler's id of the job; of an array, the base id."),
    at: ClusterTime.describe(`When it happened. ${ClusterTime.meta()?.description}`),
    submitted_at: ClusterTime.optional().describe('Ids recycle: with it, a job is one job.'),
    started_at: ClusterTime.optional().describe('Of the run that this is about.'),
    task: idLike(32).optional().describe("Array task ('4') or heterogeneous component ('+1')."),
    transaction_id: text(128).optional().describe('The hold, where the job carries its id.'),
    hold_key: text(255).optional().describe('The idempotency key of the check, where the job carries that.'),
    account: text(64).optional().describe('As the scheduler names it; for a job of which no hold is known.'),
    user_id: UserName.optional(),
    partition: PartitionName.optional(),
    job_name: text(1000, { empty: true }).optional().describe('The name that its user gave the job.'),
    end_state: idLike(128)
      .transform(readWith(readEndState))
      .meta({ type: ['string', 'integer'] })
      .optional()
      .describe(
        `How the run ended: ${END_STATES.join(', ')}; a bare exit code is COMPLETED (0) or FAILED; of CANCELLED by 0, the 0 is cancelled_by.`,
      ),
    cancelled_by: idLike(64)
      .optional()
      .describe("The uid that cancelled it; where it is another's than the job's, an administrator did."),
    uid: integer(0, 4_294_967_295).optional().describe('The uid of the job.'),
    exit_code: integer(-2_147_483_648, 4_294_967_295).optional().describe("Of the job's last process."),
    tres: text(1000)
      .transform(understood(readTres))
      .meta({ type: 'string' })
      .optional()
      .describe('What was allocated: cpu=16,mem=64G,node=2,gres/gpu:a100=4.'),
    nodes: pluginCount(1, 10_000_000).optional(),
    cpus: pluginCount(1, 1_000_000_000).optional(),
    gpus: pluginCount(0, 100_000_000).optional(),
    memory: text(64)
      .transform(understood(readMemory))
      .meta({ type: 'string' })
      .optional()
      .describe('What was allocated to the whole job, like 64GB or 4096MB (bare numbers are MB).'),
    time_limit: idLike(64)
      .transform(readWith(readTimeLimit))
      .meta({ type: ['string', 'integer'] })
      .optional()
      .describe('Slurm time; of resized, the new limit.'),
    suspended_seconds: integer(0, 2_000_000_000)
      .optional()
      .describe('How long the run was suspended, where the scheduler says so in one number.'),
    cost: Cost.optional().describe('Required of cost, welcome with ended.'),
    correction: z
      .boolean()
      .optional()
      .describe('true: the cost replaces one that was reported before. Without it the first one stays.'),
    raw: AnyJson.optional().describe('The record as the scheduler wrote it.'),
  })
  .superRefine((event, context) => {
    if (event.type === 'cost' && event.cost === undefined) {
      context.addIssue({ code: 'custom', path: ['cost'], message: 'is required of an event of type cost' });
    }
  }, alongside)
  .meta({ id: 'JobEvent' });

export const JobEventsRequest = z
  .object({
    events: z.array(JobEventRequest).min(1).max(1000).describe('One a thing that happened.'),
  })
  .meta({ id: 'JobEventsRequest', description: 'In any order; the same event twice is one event.' });

export const JobEventsAnswer = z
  .object({
    recorded: Count.describe('Events that are new.'),
    duplicates: Count.describe('Events that had been told before.'),
    unmatched: Count.describe('Events of jobs without a hold.'),
    receipts: z
      .array(
        z.object({
          status: z
            .enum(['recorded', 'duplicate', 'unmatched'])
            .describe('unmatched: recorded, and no hold is known for the job.'),
          cluster: z.string().describe('The cluster.'),
          job_id: z.string().describe("The scheduler's id of the job."),
          transaction_id: z.string().optional().describe('The hold.'),
          detail: z.string().optional().describe('What there is to say of it.'),
          note: z.string().optional().describe('A time of the event could be read in two ways; this says how it was.'),
        }),
      )
      .describe('One an event, in the order of the request.'),
  })
  .meta({ id: 'JobEventReceipts' });

const jobFields = {
  cluster: z.string().describe('The cluster.'),
  time_zone: z.string().describe("The cluster's."),
  job_id: z.string().describe("The scheduler's id of the job."),
  job_name: z.string().optional().describe('The name that its user gave the job.'),
  account: z.string().optional().describe('The account.'),
  unit: z.string().optional().describe('What amounts are counted in: a currency, or a service unit.'),
  user_id: z.string().optional().describe('The user.'),
  partition: z.string().optional().describe('The partition.'),
  submitted_at: Time.optional().describe('When the job was submitted.'),
  state: z.enum(JOB_STATES).describe('Where the job stands.'),
  quarantined: z
    .boolean()
    .describe('A part of it cannot be charged yet: it has no price, or nobody has said when it began.'),
  transaction_id: z.string().optional().describe('The hold.'),
  late: z.boolean().describe('Its hold was opened after the fact, for want of one.'),
  admitted: z
    .enum(ADMISSIONS)
    .optional()
    .describe(
      'How it came in, where not by a check that held its money: exempt, shadow (it would have been denied), open or open_to_limit (a hook let it in while the service was away). With denied or closed it was refused, by the service or by a hook alone, and there is such a job all the same: the answer came after the deadline of the hook, or somebody went round it.',
    ),
  admission_reason: z.string().optional().describe('The same as a sentence.'),
  admission_cost: Money.optional().describe('What a hook that decided alone made of its cost.'),
  held: Money,
  charged: Money,
  accrued: Money,
  workflow_id: z.string().optional().describe('The workflow in Temporal that follows it.'),
  workflow_url: z.string().optional().describe('The story in the Temporal UI.'),
  updated_at: Time.describe('When something was last heard of it.'),
};

export const JobAnswer = z.object(jobFields).meta({ id: 'Job' });

const ResourcesAnswer = z.object({
  nodes: z.number().describe('How many.'),
  cpus: z.number().describe('In total, over all nodes.'),
  gpus: z.number().describe('In total, whatever their model.'),
  gpus_by_model: z.record(z.string(), z.number()).describe('Those of which the model is known.'),
  memory_mib: z.number().describe('In total, in MiB.'),
});

const JobDecision = BudgetDecision.extend({
  decided_at: Time.describe('When it was made.'),
  components: z
    .array(
      z.object({
        partition: z.string().describe('The partition.'),
        resources: ResourcesAnswer.describe('What was asked for, or allocated.'),
        wall_seconds: z.number().optional().describe('The limit asked for, in seconds. Absent: none.'),
        unlimited: z.boolean().describe('Whether no limit was asked for on purpose.'),
        array_tasks: z.number().describe('How many tasks; 1 where it is no array.'),
      }),
    )
    .describe('What was asked for: one, but for heterogeneous jobs.'),
  job_details: z.record(z.string(), z.unknown()).optional().describe("The caller's own, as they were sent."),
}).meta({ id: 'JobDecision' });

export const JobStoryAnswer = z
  .object({
    ...jobFields,
    state: z
      .enum([...JOB_STATES, 'denied'])
      .describe('As in lists; denied where the check said no and nothing was heard of the job since.'),
    waits_for: z.string().optional().describe('What its story waits for, in words.'),
    deadline: Time.optional().describe('Until when it waits; then it looks again.'),
    decision: JobDecision.optional().describe(
      'Of its hold; where no check placed one, the last refusal that named the job.',
    ),
    hold: HoldAnswer.optional(),
    refused_changes: z
      .array(
        z.object({
          at: Time.describe('When it was asked for.'),
          code: z.string().describe('Why, like insufficient_budget.'),
          message: z.string().describe('The whole sentence for the user.'),
          mode: z.enum(['enforce', 'shadow']).describe('shadow: Slurm made the change all the same.'),
        }),
      )
      .describe(
        'Changes that were asked for in Slurm and not allowed, or would not have been; Slurm shows its user no text there.',
      ),
    lone_changes: z
      .array(
        z.object({
          at: Time.describe('When it happened.'),
          outcome: z
            .enum(['open', 'open_to_limit', 'exempt'])
            .describe('Why the hook let it in: by its failure policy, or as exempt.'),
          message: z.string().describe('The whole sentence for people.'),
          cost: Money.optional().describe('Of the whole changed job, as the hook priced it.'),
        }),
      )
      .describe('Changes that a hook let in by itself while the service was away.'),
    runs: z
      .array(
        z.object({
          run_key: z.string().describe('Cluster, job, submit and start time: a run is charged once under it.'),
          task: z.string().describe('Array task, or component of a heterogeneous job; empty for the job itself.'),
          started_at: Time.optional().describe('When the run began.'),
          ended_at: Time.optional().describe('When the run ended.'),
          end_state: z.enum(END_STATES).optional().describe("How the run ended, in Slurm's words."),
          run_seconds: z.number().describe('Without the time in which it was suspended.'),
          charge: z
            .object({
              transaction_id: z.string().describe('The charge.'),
              amount: Money,
              refunded: Money,
              source: z
                .enum(CHARGE_SOURCES)
                .describe('By its usage and the rates, as somebody reported, or by usage until somebody does.'),
            })
            .optional()
            .describe('What it was charged; absent before.'),
        }),
      )
      .describe('Its runs, in order.'),
    events: z
      .array(
        z.object({
          type: z.enum(JOB_EVENT_TYPES).describe('What happened.'),
          at: Time.describe('When it happened.'),
          recorded_at: Time.describe('When it was written down.'),
          task: z
            .string()
            .optional()
            .describe('Array task, or component of a heterogeneous job; empty for the job itself.'),
          started_at: Time.optional().describe('When the run began.'),
          end_state: z.enum(END_STATES).optional().describe("How the run ended, in Slurm's words."),
          cancelled_by: z.string().optional().describe('The uid that cancelled it.'),
          exit_code: Count.optional().describe("Of the job's last process."),
          resources: ResourcesAnswer.optional().describe('What was asked for, or allocated.'),
          time_limit_seconds: z.number().optional().describe('The limit of the job, in seconds.'),
          suspended_seconds: z.number().optional().describe('Of the run, in seconds.'),
          cost: z.string().optional().describe('The numeral as received.'),
          correction: z.boolean().optional().describe('Whether it replaces a cost that was reported before.'),
          note: z.string().optional().describe('How a time without a zone was read that could be read in two ways.'),
        }),
      )
      .describe('What schedulers said of it, in order.'),
    transactions: z
      .array(TransactionAnswer)
      .describe('In the order in which they were written; the newest thousand, where there are more.'),
    has_earlier_transactions: z
      .literal(true)
      .optional()
      .describe('There are more than a thousand; `GET /transactions?hold=…` lists all of them.'),
  })
  .meta({ id: 'JobStory' });

export const JobListQuery = z.object({
  cluster: text(64).optional().describe('Only jobs on this cluster.'),
  account: text(64).optional().describe('Only jobs of this account.'),
  user_id: text(128).optional().describe('Only jobs of this user.'),
  state: z.enum(JOB_STATES).optional().describe('Only jobs in this state, as the recorded events have it.'),
  quarantined: flag.optional().describe('true: only those of which a part cannot be charged yet.'),
  late: flag.optional().describe('true: only those whose hold was opened after the fact.'),
  admitted: z.enum(ADMISSIONS).optional().describe('Only jobs that came in like this.'),
  job_id: text(128).optional().describe("Only jobs with this id of the scheduler's; ids come back."),
  ...pageQuery,
});

export const JobPath = z.object({
  cluster: ClusterName,
  job_id: text(128).describe("The scheduler's id; the newest job that has it."),
});
