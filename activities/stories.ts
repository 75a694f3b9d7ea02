/** The stories themselves, seen from outside: which of them are not being told any more? */
import { heartbeat } from '@temporalio/activity';
import { WorkflowNotFoundError } from '@temporalio/client';
import { holdOfWorkflow, jobWorkflowId } from '../domain/ids';
import type { Recovery, Suspect } from '../ledger/contract';
import type { Metrics } from '../platform/metrics';
import type { Temporal } from '../platform/temporal';
import { BUDGET_DUE, doorbell } from '../workflows/contracts/job-lifecycle';

export interface StoryDeps {
  recovery: Recovery;
  temporal: Temporal;
  metrics?: Pick<Metrics, 'restartedStories'> | undefined;
}

const STRAYS_AT_ONCE = 500;
const ASKED_AT_ONCE = 8;
const LISTING_MS = 20_000;

/** Late stories that nobody tells any more go back into the outbox. Returns how many. */
export const restartStrays = async (deps: StoryDeps, stillAtIt = () => {}): Promise<number> =>
  (await restartLost(deps, await deps.recovery.strays(STRAYS_AT_ONCE), stillAtIt)).restarted.length;

export interface Mended {
  /** The holds whose stories Temporal did not tell; they are in the outbox again. */
  restarted: string[];
  /** How many stories waited for something else than the ledger does, and were told to look. */
  rung: number;
}

/**
 * Puts those of the stories that Temporal does not tell back into the outbox, and names their holds. One that runs is late,
 * not lost; it is rung if it waits for another time than the ledger does, for it has then missed its news: Temporal was
 * restored from a backup. Doing it twice starts the same workflow id twice, which is one story.
 */
export async function restartLost(
  { recovery, temporal, metrics }: StoryDeps,
  suspects: readonly Suspect[],
  stillAtIt = () => {},
): Promise<Mended> {
  const lost: { holdId: string; generation: number }[] = [];
  const outOfStep: string[] = [];
  for (let start = 0; start < suspects.length; start += ASKED_AT_ONCE) {
    const some = suspects.slice(start, start + ASKED_AT_ONCE);
    const found = await Promise.all(
      some.map(({ cluster, holdId, generation }) => standing(temporal, jobWorkflowId(cluster, holdId, generation))),
    );
    for (const [index, { cluster, holdId, generation, dueMs }] of some.entries()) {
      const { status, waitsUntilMs } = found[index] ?? MISSING;
      // An id whose run has closed is used up; one that nobody knows is free.
      if (status !== 'RUNNING') lost.push({ holdId, generation: status === 'missing' ? generation : generation + 1 });
      else if (waitsUntilMs !== dueMs) outOfStep.push(jobWorkflowId(cluster, holdId, generation));
    }
    stillAtIt();
  }
  if (lost.length > 0) await recovery.restart(lost);
  metrics?.restartedStories.inc(lost.length);
  return { restarted: lost.map(({ holdId }) => holdId), rung: await ring(temporal, outOfStep) };
}

export interface Recovered extends Mended {
  lookedAt: number;
  /** The last hold that was looked at, where there are more. */
  next?: string;
}

/** Of those that are told though their holds are over. Somebody waits for it. */
const STORIES_LOOKED_AT = 10_000;

/** Looks at the stories of so many open holds, those after `after`, and mends them; behind the last, at the stories that are over. */
export async function recover(deps: StoryDeps, limit: number, after: string | undefined): Promise<Recovered> {
  const { recovery } = deps;
  const suspects = await recovery.open(limit, after);
  const { restarted, rung } = await restartLost(deps, suspects);
  const last = suspects.at(-1);
  const isMore = last !== undefined && (await recovery.open(1, last.holdId)).length > 0;
  const common = { restarted, lookedAt: suspects.length };
  if (isMore) return { ...common, rung, next: last.holdId };
  // Once, at the end: these are not found by way of the holds.
  return { ...common, rung: rung + (await ringOver(deps, STORIES_LOOKED_AT)) };
}

const RUNNING_STORIES = `WorkflowType = 'jobLifecycle' and ExecutionStatus = 'Running'`;
const LISTED_AT_ONCE = 500;

/**
 * Rings the stories that are told though their holds are over, so that they end: those of an older Temporal, whose holds have
 * been settled since, and those of a younger one, whose holds an older ledger does not know. Looks at so many, the youngest
 * first; the others find out when they are due.
 */
export async function ringOver({ recovery, temporal }: StoryDeps, most: number): Promise<number> {
  const stories = await temporal.withDeadline(() => listRunning(temporal, most), LISTING_MS);
  let rung = 0;
  for (let start = 0; start < stories.length; start += LISTED_AT_ONCE) {
    const some = stories.slice(start, start + LISTED_AT_ONCE);
    const over = new Set(await recovery.over(some.map(({ holdId }) => holdId)));
    rung += await ring(
      temporal,
      some.filter(({ holdId }) => over.has(holdId)).map(({ workflowId }) => workflowId),
    );
  }
  return rung;
}

async function listRunning({ client }: Temporal, most: number): Promise<{ workflowId: string; holdId: string }[]> {
  const stories: { workflowId: string; holdId: string }[] = [];
  for await (const { workflowId } of client.workflow.list({ query: RUNNING_STORIES, pageSize: LISTED_AT_ONCE })) {
    const holdId = holdOfWorkflow(workflowId);
    if (holdId !== undefined) stories.push({ workflowId, holdId });
    if (stories.length >= most) break;
  }
  return stories;
}

/** One that has closed meanwhile needs no bell. */
async function ring(temporal: Temporal, workflowIds: readonly string[]): Promise<number> {
  for (let start = 0; start < workflowIds.length; start += ASKED_AT_ONCE) {
    await Promise.all(
      workflowIds
        .slice(start, start + ASKED_AT_ONCE)
        .map((workflowId) =>
          unlessMissing(temporal.withDeadline(() => temporal.client.workflow.getHandle(workflowId).signal(doorbell))),
        ),
    );
  }
  return workflowIds.length;
}

interface Standing {
  /** As Temporal calls it; `missing` where it has never heard of it, or has forgotten. */
  status: string;
  waitsUntilMs: number | null;
}

const MISSING: Standing = { status: 'missing', waitsUntilMs: null };

async function standing(temporal: Temporal, workflowId: string): Promise<Standing> {
  const found = await unlessMissing(
    temporal.withDeadline(() => temporal.client.workflow.getHandle(workflowId).describe()),
  );
  if (found === undefined) return MISSING;
  return {
    status: found.status.name,
    waitsUntilMs: found.typedSearchAttributes.get(BUDGET_DUE)?.getTime() ?? null,
  };
}

async function unlessMissing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

export const storyActivities = (deps: StoryDeps) => ({
  restartStrays: (): Promise<number> => restartStrays(deps, heartbeat),
});
export type StoryActivities = ReturnType<typeof storyActivities>;
