/** The floor of a job's life: the commands that jobLifecycle issues for an ordinary job, and no thought given to any of them. */
import {
  condition,
  proxyActivities,
  proxySinks,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
  type Sinks,
} from '@temporalio/workflow';
import { doorbell, jobStory, searchAttributesOf, type JobLifecycle } from '../workflows/contracts/job-lifecycle';

const { nothing } = proxyActivities<{ nothing(input: { holdId: string; step: number }): Promise<void> }>({
  startToCloseTimeout: '30 seconds',
});

/** Told to the driver, in the worker's own process: the story waits now, and the bell may ring. */
export interface BareSinks extends Sinks {
  bench: { waits(holdId: string): void };
}
const { bench } = proxySinks<BareSinks>();

/** The chapters that the ledger would tell: waiting for the start, running, settled. */
export interface BareLife {
  chapters: [JobLifecycle, JobLifecycle, JobLifecycle];
  waitMs: number;
}

export async function bareLife({ chapters, waitMs }: BareLife): Promise<{ outcome: string; charged: string }> {
  let rings = 0;
  setHandler(doorbell, () => void rings++, { description: 'Look at the ledger again' });
  setHandler(jobStory, () => '', { description: 'Where the story stands' });

  for (const [step, chapter] of chapters.slice(0, 2).entries()) {
    setCurrentDetails(pageOf(chapter));
    if (step === 0) bench.waits(chapter.holdId);
    await condition(() => rings > step, waitMs, { summary: chapter.waitsFor });
    await nothing({ holdId: chapter.holdId, step });
    const before = new Map(searchAttributesOf(chapter).map(({ key, value }) => [key.name, JSON.stringify(value)]));
    const changed = searchAttributesOf(chapters[step + 1] ?? chapter).filter(
      ({ key, value }) => before.get(key.name) !== JSON.stringify(value),
    );
    upsertSearchAttributes(changed);
  }
  setCurrentDetails(pageOf(chapters[2]));
  return { outcome: 'settled', charged: chapters[2].charged };
}

const pageOf = (story: JobLifecycle): string =>
  [
    `**${story.state}**: ${story.waitsFor}`,
    `until ${new Date(story.deadlineMs ?? 0).toISOString()} at the latest`,
    '',
    `- job: \`${story.cluster}/${story.jobId ?? ''}\``,
    `- account: \`${story.account}\``,
    `- hold: \`${story.holdId}\``,
    `- held ${story.held} ${story.unit}, charged ${story.charged} ${story.unit}`,
  ].join('\n');
