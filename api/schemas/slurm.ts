/** What the hooks inside a Slurm controller send and are answered: raw facts in, decisions out. */
import { z } from 'zod';
import { JOB_STATES } from '../../domain/job';
import { ENFORCEMENTS, FAILURE_POLICIES, WITHOUT_ACCOUNT } from '../../domain/policy';
import { readStamp, renderStamp } from '../../domain/slurm-stamp';
import {
  ClusterName,
  Count,
  Instant,
  JsonObject,
  Money,
  Time,
  alongside,
  idLike,
  integer,
  ordered,
  pageQuery,
  text,
} from './wire';

const Cluster = ClusterName.optional().describe("Default: the key's own cluster, else the configured default.");

const HookKey = z
  .string()
  .refine((key) => readStamp(renderStamp(key)) === key, 'must be 8 to 128 letters, digits, "_" or "-"')
  .meta({
    description:
      "Made by the hook before it asks (32 random hex digits) and stamped on the job's admin_comment as bursar:<key>, whatever the answer is. The same key gets the same answer.",
  });

/** Unix seconds, as Slurm counts. */
const Seconds = integer(0, 253_402_300_799).describe('Seconds since 1970.');

const RawJob = JsonObject.describe(
  'The facts as job_submit/lua sees them, as they are: account, partition, time_limit, min_nodes, num_tasks, tres_per_node and so on. What is absent, nil or NO_VAL is not set; what is not known here is ignored.',
);

/** More are no faster. */
const SPARES_MAX = 64;

const Spares = z.object({
  keys: z
    .array(HookKey)
    .max(SPARES_MAX)
    .describe(
      'One for each job; made like any key of a hook, and stamped on no job but one that is equal to this one.',
    ),
  seconds: integer(1, 60).describe('How long the hook may use them. What no job carries then is given back.'),
});

export const SlurmSubmissionRequest = z
  .object({
    cluster: Cluster,
    key: HookKey,
    job: RawJob,
    at: Seconds.optional(),
    spares: Spares.optional().describe('Holds for equal jobs that are likely to come next.'),
  })
  .meta({ id: 'SlurmSubmissionRequest' });

export const SlurmSubmissionAnswer = z
  .object({
    accept: z.boolean().describe('What the hook is to do. In shadow mode it lets in what would have been denied.'),
    message: z.string().describe('The whole sentence for the user.'),
    code: z
      .string()
      .describe("'placed', the code of a refusal, or exempt_user, exempt_partition or exempt_without_account."),
    stamp: z.string().describe('What belongs into admin_comment.'),
    transaction_id: z.string().optional().describe("The hold's id."),
    estimated_cost: Money,
    hold_amount: Money.describe('What is held, or would have been.'),
    unit: z.string().optional().describe('What amounts are counted in: a currency, or a service unit.'),
    mode: z.enum(ENFORCEMENTS).describe('enforce: the decision counts. shadow: it is only recorded.'),
    would_deny: z.boolean().describe('Whether it is, or in shadow mode would be, refused.'),
    exempt: z.string().optional().describe('Why the job is neither asked about nor charged.'),
    replayed: z.boolean().describe('True where an earlier answer to the same key is given again.'),
    spares: z
      .array(z.string())
      .optional()
      .describe('Keys of the spares that are held: an equal job may be stamped with one of them and start unasked.'),
  })
  .meta({ id: 'SlurmSubmissionAnswer' });

export const SlurmModificationRequest = z
  .object({
    cluster: Cluster,
    job_id: idLike(128).describe("Slurm's id of the job."),
    stamp: text(4000, { empty: true })
      .nullable()
      .optional()
      .describe('The admin_comment of the job as it is; its stamp is read from it.'),
    new_key: HookKey.describe('For the hold of a job that gets another one. Made like any key of a hook.'),
    job: RawJob.describe(
      'The job as it is, in the words of a submission; submit_time and the ids of an array besides.',
    ),
    changes: RawJob.describe('What the update sets of it.'),
    at: Seconds.optional().describe(
      'When the controller asked, by its own clock: what a hook had decided alone before that and is told later changes nothing any more. Default: now.',
    ),
  })
  .meta({ id: 'SlurmModificationRequest' });

export const SlurmModificationAnswer = z
  .object({
    accept: z.boolean().describe('What the hook is to do.'),
    message: z.string().describe('The whole sentence for people.'),
    code: z
      .string()
      .describe(
        "'unchanged' where the change costs nothing, 'resized', 'placed' (another hold), or the code of a refusal.",
      ),
    stamp: z
      .string()
      .optional()
      .describe('What takes the place of the stamp in admin_comment; absent where that stays as it is.'),
    transaction_id: z.string().optional().describe("The job's hold."),
    hold_amount: Money.describe('What is held for the changed job; 0 where nothing was asked.'),
    unit: z.string().optional().describe('What amounts are counted in: a currency, or a service unit.'),
    mode: z.enum(ENFORCEMENTS).describe('enforce: the decision counts. shadow: it is only recorded.'),
    would_deny: z.boolean().describe('Whether it is, or in shadow mode would be, refused.'),
  })
  .meta({ id: 'SlurmModificationAnswer' });

export const SlurmEstimateRequest = z.object({ cluster: Cluster, job: RawJob }).meta({ id: 'SlurmEstimateRequest' });

export const SlurmEstimateAnswer = z
  .object({
    message: z.string().describe('The price in words. No balance, no limit.'),
    cost: Money,
    unit: z.string().optional().describe('What amounts are counted in: a currency, or a service unit.'),
    fits: z.boolean().describe('Would it be admitted now? False where nobody can say, because no account is named.'),
  })
  .meta({ id: 'SlurmEstimateAnswer' });

export const SlurmWithdrawalRequest = z
  .object({
    cluster: Cluster,
    keys: z.array(HookKey).min(1).max(1000).describe('Of the submissions whose holds are to go back.'),
    reason: text(500).describe('Why: another component of the heterogeneous job was refused.'),
  })
  .meta({ id: 'SlurmWithdrawalRequest' });

export const SlurmWithdrawalAnswer = z
  .object({
    withdrawn: Count.describe('Holds that were given back.'),
    outcomes: z
      .array(
        z.object({
          key: z.string().describe('As it was sent.'),
          outcome: z
            .enum(['withdrawn', 'closed', 'bound', 'unknown'])
            .describe(
              "withdrawn: its money is back. closed: it was over before. bound: it is a job's and stays. unknown: nothing is held with that key.",
            ),
        }),
      )
      .describe('One a key, in the order of the request.'),
  })
  .meta({ id: 'SlurmWithdrawalAnswer' });

export const SlurmEventsRequest = z
  .object({
    cluster: Cluster,
    records: z
      .array(JsonObject)
      .min(1)
      .max(1000)
      .describe(
        'As the hooks wrote them, each with its source: submit (what a hook decided alone: key, at, outcome, cost, why, job), modify (the same of a change: job_id, stamp and changes beside it), jobcomp (the record of job completion), prolog and epilog ({env, at}).',
      ),
  })
  .meta({ id: 'SlurmEventsRequest', description: 'In any order; the same record twice is one.' });

export const SlurmEventsAnswer = z
  .object({
    recorded: Count.describe('Records that are new.'),
    duplicates: Count.describe('Records that had been told before.'),
    unmatched: Count.describe('Records of jobs without a hold.'),
    rejected: Count.describe('Records that cannot be understood.'),
    receipts: z
      .array(
        z.object({
          status: z
            .enum(['recorded', 'duplicate', 'unmatched', 'rejected'])
            .describe('rejected: it cannot be understood; sending it again changes nothing.'),
          job_id: z.string().optional().describe("The scheduler's id of the job."),
          transaction_id: z.string().optional().describe('The hold.'),
          detail: z.string().optional().describe('What is wrong with it, or missing.'),
        }),
      )
      .describe('One a record, in the order of the request.'),
  })
  .meta({ id: 'SlurmEventsAnswer' });

export const SlurmPolicyQuery = z.object({ cluster: Cluster });

const FailurePolicy = z.enum(FAILURE_POLICIES);

const Command = z.object({
  arguments: z.string().array().describe('Of the command line.'),
  environment: z.record(z.string(), z.string()).describe('What is set besides.'),
});

export const SlurmPolicyAnswer = z
  .object({
    cluster: z.string().describe('The cluster.'),
    time_zone: z.string().describe('The IANA zone that zoneless times and days are read in.'),
    unit: z.string().optional().describe('Of the prices; absent where the cluster has no rates.'),
    enforcement: z.enum(ENFORCEMENTS).describe('enforce, or shadow: every decision is recorded and none is applied.'),
    failure_policy: FailurePolicy.describe(
      'What hooks do while the service is away; of a partition, where it has its own.',
    ),
    failure_limit: Money.optional().describe('How much an hour a hook lets in, where the policy is open_to_limit.'),
    exempt_users: z.array(z.string()).describe('Users who are neither asked about nor charged.'),
    exempt_partitions: z.array(z.string()).describe('Partitions whose jobs are neither asked about nor charged.'),
    without_account: z.enum(WITHOUT_ACCOUNT).describe('What becomes of jobs that name no account.'),
    default_partition: z.string().optional().describe('Of jobs that name none.'),
    partitions: z
      .record(
        z.string(),
        z.object({
          failure_policy: FailurePolicy.optional().describe(
            'What hooks do while the service is away; of a partition, where it has its own.',
          ),
          failure_limit: Money.optional(),
          default_minutes: Count.optional().describe('The limit of jobs that name none, in minutes.'),
          max_minutes: Count.optional().describe('What UNLIMITED means, in minutes.'),
          weight: z.number().describe('What costs are multiplied by.'),
          per_hour: z.record(z.string(), Money).describe('node, cpu, gpu, gpu:<model>, and mem (a GiB).'),
        }),
      )
      .describe('By name; "*" is every other one.'),
    squeue: Command.extend({ format: z.string().describe('The columns, as squeue wants them.') }).describe(
      'How a relay asks for the queue, for /slurm/queue.',
    ),
    sacct: Command.extend({ columns: z.string().array().describe('In order.') }).describe(
      'How it asks for what has ended, with --starttime and --endtime, for /slurm/history.',
    ),
    made_at: Time.describe('When this was answered.'),
  })
  .meta({ id: 'SlurmPolicy' });

export const RefusalQuery = z
  .object({
    cluster: text(64).optional().describe('Only submissions to this cluster.'),
    account: text(64).optional().describe('Only those that named this account.'),
    user_id: text(128).optional().describe('Only those of this user.'),
    code: text(64).optional().describe('Only those refused for this reason, like insufficient_budget.'),
    since: Instant.optional().describe('Only those from then on.'),
    until: Instant.optional().describe('Only those before then.'),
    ...pageQuery,
  })
  .superRefine(ordered('since', 'until'), alongside);

const RefusalTotals = z.array(
  z.object({
    name: z.string().optional().describe('Absent: of those that named none.'),
    unit: z.string().optional().describe('Absent: of those that no account gave a price.'),
    denied: Count.describe('How many submissions.'),
    estimated_cost: Money,
  }),
);

export const RefusalReportAnswer = z
  .object({
    since: Time.optional().describe('As it was asked for.'),
    until: Time.optional().describe('As it was asked for; exclusive.'),
    totals: RefusalTotals.describe('Of everything the filters leave, a unit each.'),
    by_account: RefusalTotals.describe('The same by account.'),
    by_user: RefusalTotals.describe('The same by user.'),
    by_code: RefusalTotals.describe('The same by reason.'),
    denials: z
      .array(
        z.object({
          at: Time.describe('When it happened.'),
          cluster: z.string().describe('The cluster.'),
          time_zone: z.string().describe("The cluster's."),
          account: z.string().optional().describe('The account.'),
          user_id: z.string().optional().describe('The user.'),
          partition: z.string().optional().describe('The partition.'),
          job_name: z.string().optional().describe('The name that its user gave the job.'),
          code: z.string().describe('Why, like insufficient_budget.'),
          message: z.string().describe('The sentence that the user would have read.'),
          unit: z.string().optional().describe('What amounts are counted in: a currency, or a service unit.'),
          estimated_cost: Money,
          hold_amount: Money.describe('What would have been held.'),
          job_id: z.string().optional().describe('The job that ran all the same, once it was heard of.'),
          state: z.enum(JOB_STATES).optional().describe('Where that job stands.'),
          would_have_cost: Money.optional().describe('Its runs so far, had they been charged.'),
        }),
      )
      .describe('The newest first.'),
    next_cursor: z.string().optional().describe('There are more rows: ask again with cursor.'),
  })
  .meta({ id: 'RefusalReport' });
