/** The stories themselves, seen from outside: which of them are not being told any more? */
import { heartbeat } from '@temporalio/activity';
import { WorkflowNotFoundError } from '@temporalio/client';
import { jobWorkflowId } from '../domain/ids';
import type { Recovery, Suspect } from '../ledger/contract';
import type { Metrics } from '../platform/metrics';
import type { Temporal } from '../platform/temporal';

export interface StoryDeps {
  recovery: Recovery;
  temporal: Temporal;
  metrics?: Pick<Metrics, 'restartedStories'> | undefined;
}

const STRAYS_AT_ONCE = 500;
const ASKED_AT_ONCE = 8;

/** Late stories that nobody tells any more go back into the outbox. Returns how many. */
export const restartStrays = async (deps: StoryDeps, stillAtIt = () => {}): Promise<number> =>
  (await restartLost(deps, await deps.recovery.strays(STRAYS_AT_ONCE), stillAtIt)).length;

/**
 * Puts those of the stories that Temporal does not tell back into the outbox, and names their holds. One that runs is late,
 * not lost. Doing it twice starts the same workflow id twice, which is one story.
 */
export async function restartLost(
  { recovery, temporal, metrics }: StoryDeps,
  suspects: readonly Suspect[],
  stillAtIt = () => {},
): Promise<string[]> {
  const lost: { holdId: string; generation: number }[] = [];
  for (let start = 0; start < suspects.length; start += ASKED_AT_ONCE) {
    const some = suspects.slice(start, start + ASKED_AT_ONCE);
    const statuses = await Promise.all(
      some.map(({ cluster, holdId, generation }) => statusOf(temporal, jobWorkflowId(cluster, holdId, generation))),
    );
    for (const [index, { holdId, generation }] of some.entries()) {
      if (statuses[index] === 'RUNNING') continue;
      // An id whose run has closed is used up; one that nobody knows is free.
      lost.push({ holdId, generation: statuses[index] === 'missing' ? generation : generation + 1 });
    }
    stillAtIt();
  }
  if (lost.length > 0) await recovery.restart(lost);
  metrics?.restartedStories.inc(lost.length);
  return lost.map(({ holdId }) => holdId);
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
