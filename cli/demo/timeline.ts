/** A log as what happens, one thing after the other: submissions, and what became of them. */
import type { SacctEvent } from '../../domain/sacct';
import { epochMicros } from '../../domain/time';
import { rankOf, type LoggedJob } from '../../domain/sacct-jobs';

export type Occurrence =
  { what: 'submit'; at: bigint; job: LoggedJob } | { what: 'event'; at: bigint; job: LoggedJob; event: SacctEvent };

export function timelineOf(jobs: readonly LoggedJob[]): Occurrence[] {
  const all = jobs.flatMap((job): Occurrence[] => [
    { what: 'submit', at: epochMicros(job.submittedAt), job },
    ...job.events.map((event): Occurrence => ({ what: 'event', at: epochMicros(event.at), job, event })),
  ]);
  return all
    .map((occurrence, index) => ({
      occurrence,
      index,
      rank: rankOf(occurrence.job, occurrence.what === 'event' ? occurrence.event : undefined),
    }))
    .sort(
      (a, b) =>
        (a.occurrence.at < b.occurrence.at ? -1 : a.occurrence.at > b.occurrence.at ? 1 : 0) ||
        a.rank - b.rank ||
        a.index - b.index,
    )
    .map(({ occurrence }) => occurrence);
}

/** The last thing that happens to a job that the log tells to its end. */
export const isLastOf = (occurrence: Occurrence): boolean =>
  occurrence.what === 'event' && occurrence.job.isOver && occurrence.job.events.at(-1) === occurrence.event;
