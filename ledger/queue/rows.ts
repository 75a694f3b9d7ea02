/** Rows of a listing as SQL is asked about them. */
import { given } from '../../domain/given';
import type { QueuedJob } from '../../domain/queue';
import { refundReasonOf } from '../../domain/refund';
import { epochMicros, type Instant } from '../../domain/time';

/** Rows that are compared in one query: more would only make others wait for the same connection and the same thread. */
const ROWS_AT_ONCE = 2_000;

/** Part by part, so that the process can do something else in between. An answer names its row by `i`. */
export function* inParts(jobs: readonly QueuedJob[]): Generator<{ part: readonly QueuedJob[]; rows: string }> {
  for (let start = 0; start < jobs.length; start += ROWS_AT_ONCE) {
    const part = jobs.slice(start, start + ROWS_AT_ONCE);
    yield { part, rows: JSON.stringify(part.map((job, i) => ({ i, ...rowOf(job) }))) };
  }
}

const microsOf = (at: Instant | undefined): number | null => (at === undefined ? null : Number(epochMicros(at)));

const rowOf = (job: QueuedJob) => ({
  job_id: job.jobId,
  task: job.task,
  key: job.stamp ?? null,
  submitted: job.isSubmissionUnknown ? null : microsOf(job.submittedAt),
  started: microsOf(job.startedAt),
  sized: microsOf(job.sizedAt),
  phase: job.phase,
  evidence: evidenceOf(job),
  final: isFinal(job),
  account: job.account ?? null,
});

/** A record of job completion says the same of a run whose node failed whether its job runs again or not: the queue knows. */
const isFinal = ({ phase, endState, closing }: QueuedJob): boolean =>
  phase === 'ended' && closing === undefined && (endState === 'NODE_FAIL' || endState === 'PREEMPTED');

/** That the end of a run is known is not enough where its record says that its user gets something back. */
function evidenceOf({ phase, startedAt, endState, cancelledBy, uid }: QueuedJob): string | null {
  if (phase !== 'ended' || startedAt === undefined) return null;
  if (refundReasonOf(given({ endState, cancelledBy, uid })) === undefined) return null;
  return `${microsOf(startedAt)}/${endState ?? ''}/${cancelledBy ?? ''}`;
}
