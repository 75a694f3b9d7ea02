import { proxyActivities } from '@temporalio/workflow';
import type { WallActivities } from '../activities/wall';
import { SCHEDULER_QUEUE } from './contracts/job-lifecycle';
import type { WallReport } from './contracts/wall';

const { syncWall } = proxyActivities<WallActivities>({
  taskQueue: SCHEDULER_QUEUE,
  startToCloseTimeout: '5 minutes',
  // Where Slurm does not answer, the next round asks again.
  retry: { initialInterval: '5 seconds', maximumAttempts: 2 },
  summary: "Set Slurm's limits to what is left",
});

/**
 * Brings Slurm's own limits to what each account has left. A Temporal Schedule starts it, one round at a time.
 *
 * Guarantee: none is needed. The wall is only for when Bursar is away; what one round could not set, the next one does.
 */
export async function wall(): Promise<WallReport> {
  return syncWall();
}
