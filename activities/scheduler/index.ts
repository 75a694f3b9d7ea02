/** The schedulers, as a story needs them, "what became of the job?", and as a whole: what do queue and accounting show? */
import { log } from '@temporalio/activity';
import type { SchedulerAnswer } from '../../domain/job';
import type { JobEvent, Jobs } from '../../ledger/contract';
import type { LookReport, QueueLook } from '../../workflows/contracts/queue-look';
import { look, type LookDeps } from './look';
import { adapterTo } from './what-became';

export type { Scheduler, Listing } from './scheduler';
export { slurmCommands } from './slurm-commands';
export { slurmRest } from './slurm-rest';
export { adapterTo };

export interface JobInQuestion {
  holdId: string;
  cluster: string;
  /** The scheduler's own id, once an event has bound it; without it a scheduler can look for the hold's id on the job. */
  jobId?: string | undefined;
}

/** One cluster's scheduler. */
export interface SchedulerAdapter {
  /** All it knows of the job, as events; none where it has never heard of it. Rejects when it cannot be reached. */
  whatBecameOf(job: JobInQuestion): Promise<JobEvent[]>;
}

export interface SchedulerDeps {
  jobs: Pick<Jobs, 'recordEvents'>;
  /**
   * The adapter of a cluster. Undefined: nobody to ask, what the API was told is all there is to know (rulings 16).
   */
  adapterOf: (cluster: string) => SchedulerAdapter | undefined;
  /** What a look needs; undefined: no cluster has a scheduler that could be looked at. */
  looks?: LookDeps | undefined;
}

/** Asking twice records the same events once, so a retry is safe. */
export const schedulerActivities = ({ jobs, adapterOf, looks }: SchedulerDeps) => ({
  findOut: async (job: JobInQuestion): Promise<SchedulerAnswer> => {
    const adapter = adapterOf(job.cluster);
    if (adapter === undefined) return 'absent';
    let events: JobEvent[];
    try {
      events = await adapter.whatBecameOf(job);
    } catch (error) {
      // Not a failure of the activity: that it could not be reached is the answer, and the hold is kept.
      log.warn('scheduler unreachable', { ...job, error });
      return 'unreachable';
    }
    if (events.length > 0) await jobs.recordEvents(events, { principal: 'scheduler' });
    return 'asked';
  },

  /** What it records is known by what it says, so a second look at the same finds nothing new. */
  look: (asked: QueueLook): Promise<LookReport> => look(looks, asked),
});
export type SchedulerActivities = ReturnType<typeof schedulerActivities>;

/** No cluster has a scheduler that can be asked. */
export const recordedEventsOnly: SchedulerDeps['adapterOf'] = () => undefined;
