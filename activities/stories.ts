/** The stories themselves, seen from outside: which of them are not being told any more? */
import { heartbeat } from '@temporalio/activity';
import { WorkflowNotFoundError } from '@temporalio/client';
import { jobWorkflowId } from '../domain/ids';
import type { Recovery } from '../ledger/contract';
import type { Metrics } from '../platform/metrics';
import type { Temporal } from '../platform/temporal';

export interface StoryDeps {
  recovery: Recovery;
  temporal: Temporal;
  metrics?: Pick<Metrics, 'restartedStories'> | undefined;
}

const STRAYS_AT_ONCE = 500;

/**
 * Puts lost stories back into the outbox. The ledger knows whose deadline has passed without anybody looking; Temporal
 * knows whether anybody still waits. Doing it twice starts the same workflow id twice, which is one story.
 */
export async function restartStrays({ recovery, temporal, metrics }: StoryDeps, stillAtIt = () => {}): Promise<number> {
  const lost: { holdId: string; generation: number }[] = [];
  for (const { holdId, cluster, generation } of await recovery.strays(STRAYS_AT_ONCE)) {
    const status = await statusOf(temporal, jobWorkflowId(cluster, holdId, generation));
    // One that runs is late, not lost. An id whose run has closed is used up; one that nobody knows is free.
    if (status !== 'RUNNING') lost.push({ holdId, generation: status === 'missing' ? generation : generation + 1 });
    stillAtIt();
  }
  if (lost.length > 0) await recovery.restart(lost);
  metrics?.restartedStories.inc(lost.length);
  return lost.length;
}

async function statusOf(temporal: Temporal, workflowId: string): Promise<string> {
  try {
    return (await temporal.withDeadline(() => temporal.client.workflow.getHandle(workflowId).describe())).status.name;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return 'missing';
    throw error;
  }
}

export const storyActivities = (deps: StoryDeps) => ({
  restartStrays: (): Promise<number> => restartStrays(deps, heartbeat),
});
export type StoryActivities = ReturnType<typeof storyActivities>;
