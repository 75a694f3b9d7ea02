/** A log as what happens, one thing after the other: submissions, and what became of them. */
import type { SacctEvent } from '../../domain/sacct';
import { epochMicros } from '../../domain/time';
import type { LoggedJob } from './log';

export type Occurrence =
  { what: 'submit'; at: bigint; job: LoggedJob } | { what: 'event'; at: bigint; job: LoggedJob; event: SacctEvent };

/** Ends of other jobs come before a submission of the same second: their money is free by then. */
const RANK: Readonly<Record<string, number>> = { ended: 0, cancelled: 0, requeued: 0, submit: 1, started: 2 };

export function timelineOf(jobs: readonly LoggedJob[]): Occurrence[] {
  const all = jobs.flatMap((job): Occurrence[] => [
    { what: 'submit', at: epochMicros(job.submittedAt), job },
    ...job.events.map((event): Occurrence => ({ what: 'event', at: epochMicros(event.at), job, event })),
  ]);
  const rank = (occurrence: Occurrence) => {
    if (occurrence.what === 'submit') return RANK.submit as number;
    // But not before its own submission, or start: some jobs live for less than a second.
    const { at, job, event } = occurrence;
    const began = event.startedAt === undefined ? job.submittedAt : event.startedAt;
    return event.type !== 'started' && at === epochMicros(began) ? 3 : (RANK[event.type] ?? 2);
  };
  return all
    .map((occurrence, index) => ({ occurrence, index, rank: rank(occurrence) }))
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
