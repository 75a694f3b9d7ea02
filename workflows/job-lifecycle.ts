import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  condition,
  continueAsNew,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { LedgerActivities } from '../activities/ledger';
import type { SchedulerActivities } from '../activities/scheduler';
import type { FaultCode } from '../domain/faults';
import type { SchedulerAnswer } from '../domain/job';
import {
  doorbell,
  jobStory,
  SCHEDULER_QUEUE,
  searchAttributesOf,
  type JobLifecycle,
  type JobLifecycleResult,
} from './contracts/job-lifecycle';

const ledger = proxyActivities<LedgerActivities>({
  startToCloseTimeout: '30 seconds',
  retry: { initialInterval: '1 second', maximumInterval: '1 minute' },
});
// A scheduler whose door nobody opens must not keep the story from its bell: after ten minutes it was unreachable.
const scheduler = proxyActivities<SchedulerActivities>({
  taskQueue: SCHEDULER_QUEUE,
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: '10 minutes',
  summary: 'What became of the job?',
});

/**
 * Follows one held job from admission to settlement. It knows *when* to look; what is due, and how much, the ledger says.
 *
 * Guarantee: however this closes, the hold ends settled or released. (Terminated? The sweep starts the story again.)
 * That is why a request to cancel it is not followed: releasing the hold ends the story, not the other way round.
 * It closes as unknown where there is no hold: the ledger was restored from a backup that is older than the story.
 */
export async function jobLifecycle(beginning: JobLifecycle): Promise<JobLifecycleResult> {
  return CancellationScope.nonCancellable(() => follow(beginning));
}

async function follow(beginning: JobLifecycle): Promise<JobLifecycleResult> {
  // What was due before the story began is only to be done. Nobody has kept silent, so nobody needs to be asked.
  let { rung = isDue(beginning) && beginning.state !== 'overdue', ...story } = beginning;
  let looksInVain = 0;
  setHandler(doorbell, () => void (rung = true), { description: 'Look at the ledger again' });
  setHandler(jobStory, () => pageOf(story), { description: 'Where the story stands' });

  for (;;) {
    showOperators(story);
    if (isLong(story)) return continueAsNew<typeof jobLifecycle>({ ...story, rung });

    const dueMs = dueIn(story, looksInVain);
    const waitMs = Math.min(dueMs, runLeftMs(story));
    const heard = rung || (waitMs > 0 && (await condition(() => rung, waitMs, { summary: story.waitsFor })));
    if (!heard && waitMs < dueMs) continue; // The run has grown old; the job is not due.
    if (!heard) story.scheduler = await findOut(story);

    rung = false; // Before looking: whoever rings from here on wants another look.
    const chapter = await look(story, heard ? 'The bell rang' : 'Nobody rang in time');
    if (chapter === 'unknown') {
      story = withoutHold(story);
      showOperators(story);
      return { outcome: 'unknown', charged: '0', released: '0', unit: story.unit };
    }
    story = { ...chapter, scheduler: story.scheduler, limits: story.limits };
    if (chapter.closed && !rung) {
      showOperators(story);
      const { charged, released, unit } = chapter;
      return { outcome: chapter.state === 'released' ? 'released' : 'settled', charged, released, unit };
    }
    looksInVain = isDue(story) ? looksInVain + 1 : 0;
  }
}

type Chapter = Awaited<ReturnType<LedgerActivities['advance']>>;

/** Does what is due and says where the story stands now. The ledger either has the hold or never will again. */
async function look({ holdId, scheduler: answer }: JobLifecycle, summary: string): Promise<Chapter | 'unknown'> {
  try {
    return await ledger.advance.executeWithOptions({ summary }, [{ holdId, scheduler: answer }]);
  } catch (error) {
    if (isUnknownHold(error)) return 'unknown';
    throw error;
  }
}

const isUnknownHold = (error: unknown): boolean =>
  error instanceof ActivityFailure &&
  error.cause instanceof ApplicationFailure &&
  error.cause.type === ('hold_not_found' satisfies FaultCode);

/** No money is booked for it. What the scheduler still says of its job opens a late hold, which has a story of its own. */
const withoutHold = ({ deadlineMs: _over, ...story }: JobLifecycle): JobLifecycle => ({
  ...story,
  state: 'unknown',
  waitsFor: 'nothing: the ledger has no such hold, as after a restore from a backup that is older than this story',
});

/** Asks the scheduler. Its answer becomes recorded events; what is told here is only whether it could be asked. */
async function findOut({ holdId, cluster, jobId }: JobLifecycle): Promise<SchedulerAnswer> {
  try {
    return await scheduler.findOut({ holdId, cluster, jobId });
  } catch (error) {
    if (error instanceof ActivityFailure) return 'unreachable';
    throw error;
  }
}

/**
 * Milliseconds until the ledger wants to be asked. A deadline that has passed and stands all the same (its clock is behind
 * ours) is asked about again after 1 s, 2 s, 4 s … 4 min.
 */
function dueIn({ deadlineMs = Infinity }: JobLifecycle, looksInVain: number): number {
  const patienceMs = looksInVain === 0 ? 0 : 1_000 * 2 ** Math.min(looksInVain - 1, 8);
  return Math.max(Math.ceil(deadlineMs) - Date.now(), patienceMs);
}

const isDue = ({ deadlineMs = Infinity }: JobLifecycle): boolean => deadlineMs <= Date.now();

const DEFAULT_LIMITS = { runMs: 14 * 24 * 3_600_000, events: 2_000 };

const runLeftMs = ({ limits = DEFAULT_LIMITS }: JobLifecycle): number =>
  workflowInfo().runStartTime.getTime() + limits.runMs - Date.now();

/** Runs are bounded, so that histories stay short and old code need not be kept for longer than two weeks. */
const isLong = (story: JobLifecycle): boolean =>
  runLeftMs(story) <= 0 ||
  workflowInfo().historyLength >= (story.limits ?? DEFAULT_LIMITS).events ||
  workflowInfo().continueAsNewSuggested;

/** What the Temporal UI shows: current details, and the search attributes that have changed. */
function showOperators(story: JobLifecycle): void {
  setCurrentDetails(pageOf(story));
  const shown = workflowInfo().typedSearchAttributes;
  const changed = searchAttributesOf(story).filter(
    ({ key, value }) => JSON.stringify(shown.get(key) ?? null) !== JSON.stringify(value),
  );
  if (changed.length > 0) upsertSearchAttributes(changed);
}

const pageOf = (story: JobLifecycle): string =>
  [
    `**${story.state}**: ${story.waitsFor}`,
    ...(story.deadlineMs === undefined ? [] : [`until ${new Date(story.deadlineMs).toISOString()} at the latest`]),
    '',
    `- job: ${story.jobId === undefined ? 'not known yet' : `\`${story.cluster}/${story.jobId}\``}`,
    `- account: \`${story.account}\``,
    `- hold: \`${story.holdId}\``,
    `- held ${story.held} ${story.unit}, charged ${story.charged} ${story.unit}`,
  ].join('\n');
