import { proxyActivities } from '@temporalio/workflow';
import type { SchedulerActivities } from '../activities/scheduler';
import { SCHEDULER_QUEUE } from './contracts/job-lifecycle';
import type { LookReport, QueueLook } from './contracts/queue-look';

// Bounded, as the sweep's: the next look finds whatever this one would have found. It is not repeated either.
const scheduler = proxyActivities<SchedulerActivities>({
  taskQueue: SCHEDULER_QUEUE,
  startToCloseTimeout: '5 minutes',
  scheduleToCloseTimeout: '5 minutes',
  retry: { maximumAttempts: 1 },
});

/**
 * Looks at the queue and the accounting of one scheduler, and brings the ledger up to it: jobs that nobody told of, ends that
 * nobody told of, holds that no job carries. A Temporal Schedule starts it for each cluster that can be asked.
 *
 * Guarantee: none of its own. It may be left out, repeated, or cut off at any point; what it does is done by the ledger.
 */
export async function queueLook(look: QueueLook): Promise<LookReport> {
  const summary = look.wide ? 'The queue, and the accounting of the last days' : 'The queue and the accounting';
  return scheduler.look.executeWithOptions({ summary }, [look]);
}
