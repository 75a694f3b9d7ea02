/** What Slurm shows when it is asked, as it came from its commands, and how it stands between it and Bursar. */
import { z } from 'zod';
import { QUEUE_DEEDS } from '../../domain/queue';
import { ClusterName, Count, Time, integer, text } from './wire';

const Cluster = ClusterName.optional().describe("Default: the key's own cluster, else the configured default.");

/** Unix seconds, as Slurm counts. */
const Seconds = integer(0, 253_402_300_799);

/** A quarter of a million jobs. */
const TEXT_MAX = 64 * 1_048_576;

export const SlurmQueueRequest = z
  .object({
    cluster: Cluster,
    taken_at: Seconds.describe('When squeue was run, in seconds since 1970 by the clock of who ran it.'),
    sent_at: Seconds.optional().describe(
      'When this is sent, by the same clock. Without it the clock of the server tells how old the listing is.',
    ),
    squeue: text(TEXT_MAX, { empty: true }).describe(
      'What squeue printed, with the arguments and the environment that /slurm/policy names.',
    ),
  })
  .meta({ id: 'SlurmQueueRequest' });

const Deed = z
  .object({
    did: z
      .enum(QUEUE_DEEDS)
      .describe(
        'bound: to the hold it is stamped with; adopted: it had none and has a late one; unmatched: nobody knows its account; lost: it ended with the last listing that showed it.',
      ),
    job_id: z.string().optional().describe("The scheduler's id, where one is known."),
    transaction_id: z.string().optional().describe('The hold.'),
    detail: z.string().optional().describe('When it happened, or why.'),
  })
  .meta({ id: 'QueueDeed' });

const counts = {
  recorded: Count.describe('Events that nobody had told.'),
  adopted: Count.describe('Jobs that ran without a hold and have a late one now.'),
  unreadable: Count.describe('Rows that could not be read.'),
  first_unreadable: z.string().optional().describe('What is wrong with the first of them.'),
};
const Deeds = Deed.array().describe('What was done, the first hundred.');

export const SlurmQueueAnswer = z
  .object({
    cluster: z.string().describe('The cluster.'),
    jobs: Count.describe('Rows that were read.'),
    bound: Count.describe('Jobs that were bound to the hold they are stamped with.'),
    ...counts,
    released: Count.describe('Holds that were given back, because no job carries them any more.'),
    reduced: Count.describe('Holds of arrays that are smaller now.'),
    keeps: z.string().optional().describe('Why nothing can be given back by this listing, where that is so.'),
    deeds: Deeds,
  })
  .meta({ id: 'SlurmQueue' });

export const SlurmHistoryRequest = z
  .object({
    cluster: Cluster,
    sacct: text(TEXT_MAX, { empty: true }).describe(
      'What sacct printed, with the arguments and the environment that /slurm/policy names, and its header.',
    ),
    more: z
      .boolean()
      .default(false)
      .describe('This is a part, and the rest follows: what is missing in it is not missing yet.'),
  })
  .meta({ id: 'SlurmHistoryRequest' });

export const SlurmHistoryAnswer = z
  .object({
    cluster: z.string().describe('The cluster.'),
    rows: Count.describe('Rows that were read.'),
    ended: Count.describe('Runs of whose end nobody had told.'),
    ...counts,
    deeds: Deeds,
  })
  .meta({ id: 'SlurmHistory' });

export const SlurmLookRequest = z
  .object({
    cluster: ClusterName.optional().describe('Default: the configured default cluster.'),
    wide: z.boolean().default(false).describe('Also compare the accounting of the last three days, as every night.'),
  })
  .meta({ id: 'SlurmLookRequest' });

export const SlurmLookAnswer = z
  .object({
    cluster: z.string().describe('The cluster.'),
    result: z
      .enum(['looked', 'incomplete', 'unreachable', 'absent', 'looking'])
      .describe('absent: no worker is configured to look at it; looking: it takes longer than a request may.'),
    workflow_id: z.string().describe('The workflow that looked.'),
    failures: z.string().array().describe('What did not answer, or could not be read, in words.'),
    jobs: Count.describe('Rows of the queue.'),
    records: Count.describe('Records of the accounting.'),
    recorded: Count.describe('Events that nobody had told.'),
    bound: Count.describe('Jobs that were bound to the hold they are stamped with.'),
    adopted: Count.describe('Jobs that ran without a hold and have a late one now.'),
    ended: Count.describe('Runs of whose end nobody had told.'),
    released: Count.describe('Holds that were given back, because no job carries them any more.'),
    reduced: Count.describe('Holds of arrays that are smaller now.'),
    keeps: z.string().optional().describe('Why nothing can be given back by this look, where that is so.'),
    deeds: Deeds,
  })
  .meta({ id: 'SlurmLook' });

export const SchedulerLookAnswer = z
  .object({
    cluster: z.string().describe('The cluster.'),
    time_zone: z.string().describe('The IANA zone that zoneless times and days are read in.'),
    listed_at: Time.optional().describe('The moment of the last whole listing of the queue.'),
    listed_age_seconds: z.number().optional().describe('How long ago that was, in seconds.'),
    listed_jobs: Count.optional().describe('How many jobs it showed.'),
    accounted_at: Time.optional().describe('When the accounting was last heard.'),
    accounted_age_seconds: z.number().optional().describe('How long ago that was, in seconds.'),
    failed_at: Time.optional().describe('When a look last failed; absent where the last one did not.'),
    failure: z.string().optional().describe('Of the last look, where it failed.'),
    unseen_holds: Count.describe('Open holds that no job of the queue carries.'),
  })
  .meta({ id: 'SchedulerLook' });
