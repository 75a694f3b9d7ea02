/**
 * What a run gets back because of how it ended, and which record is the evidence.
 *
 * One record that says so is enough, in whatever order they came: accounting that is written by a controller which had lost
 * the node is often corrected, seldom invented. What only the scheduler's word for the state can tell is not guessed at.
 */
import { given } from './given';
import { END_STATES } from './job';
import { type RefundPolicy, type RefundReason } from './policy';
import { fraction, isLess, ONE, type Fraction } from './rational';
import { slicesOf, type Run, type RunEvent } from './runs';
import { MICROS_PER_SECOND } from './time';

/** A cluster's answer to each reason; of lost time, what is given back at most. */
export type RefundTerms = Readonly<Record<RefundReason, RefundPolicy>> & { readonly lostTimeSeconds: number };

/** As a cluster's settings say them. */
export const refundTermsOf = (cluster: {
  refundNodeFail: RefundPolicy;
  refundBootFail: RefundPolicy;
  refundPreempted: RefundPolicy;
  refundAdminCancel: RefundPolicy;
  refundLostTimeSeconds: number;
}): RefundTerms => ({
  node_fail: cluster.refundNodeFail,
  boot_fail: cluster.refundBootFail,
  preempted: cluster.refundPreempted,
  admin_cancel: cluster.refundAdminCancel,
  lostTimeSeconds: cluster.refundLostTimeSeconds,
});

const ENDED_BY: Readonly<Record<RefundReason, string>> = {
  node_fail: 'its node failed',
  boot_fail: 'its node did not boot',
  preempted: 'it was preempted',
  admin_cancel: 'an administrator cancelled it',
};

/** What stands in the statement. */
export function describeRefund(jobId: string, { reason, policy }: Pick<RunRefund, 'reason' | 'policy'>): string {
  const what = policy === 'whole' ? 'its charge' : 'the time it lost';
  return `Job ${jobId}: ${ENDED_BY[reason]}, ${what} is refunded`;
}

export interface RunRefund {
  reason: RefundReason;
  policy: Exclude<RefundPolicy, 'none'>;
  /** Of the charge, all its refunds together. */
  share: Fraction;
  /** The event that says so. */
  eventNo: bigint;
}

/** The largest share that a record of its end entitles the run to; undefined: none does, or nobody can say yet how much. */
export function refundOf(run: Run, terms: RefundTerms): RunRefund | undefined {
  let best: RunRefund | undefined;
  for (const event of run.ends) {
    const reason = refundReasonOf(event);
    const policy = reason && terms[reason];
    if (!reason || !policy || policy === 'none') continue;
    const share = policy === 'whole' ? ONE : lostShare(run, terms.lostTimeSeconds);
    if (share && (!best || isLess(best.share, share))) best = { reason, policy, share, eventNo: event.eventNo };
  }
  return best;
}

/**
 * The same of a run that is only known by a row of an accounting log. The log does not say when it was suspended, so lost time is
 * a part of its whole time.
 */
export function refundOfLogged(
  run: Pick<RunEvent, 'cancelledBy' | 'uid'> & { endState: string; startedAt: number; endedAt: number },
  terms: RefundTerms,
): Omit<RunRefund, 'eventNo'> | undefined {
  const endState = END_STATES.find((known) => known === run.endState);
  const reason = refundReasonOf(given({ endState, cancelledBy: run.cancelledBy, uid: run.uid }));
  const policy = reason && terms[reason];
  if (!reason || !policy || policy === 'none') return undefined;
  const [whole, lost] = [BigInt(run.endedAt - run.startedAt), BigInt(terms.lostTimeSeconds) * MICROS_PER_SECOND];
  return { reason, policy, share: policy === 'whole' || lost >= whole ? ONE : fraction(lost, whole) };
}

/** Slurm's root. Whose job it was need not be known where root ended it. */
const ROOT = '0';

/** Why what ended so gets something back, as far as the record of its end says. */
export function refundReasonOf({
  type,
  endState,
  cancelledBy,
  uid,
}: Pick<RunEvent, 'endState' | 'cancelledBy' | 'uid'> & { type?: RunEvent['type'] }): RefundReason | undefined {
  if (type === 'node_failed' || endState === 'NODE_FAIL') return 'node_fail';
  if (type === 'preempted' || endState === 'PREEMPTED') return 'preempted';
  if (endState === 'BOOT_FAIL') return 'boot_fail';
  if (cancelledBy === undefined || (endState !== undefined && endState !== 'CANCELLED')) return undefined;
  const isOwn = uid === undefined ? cancelledBy !== ROOT : cancelledBy === String(uid);
  return isOwn ? undefined : 'admin_cancel';
}

/** The part of its time, without suspensions, that lies in the last so many seconds before its end. */
function lostShare(run: Run, seconds: number): Fraction | undefined {
  const { startedAt, endedAt } = run;
  if (startedAt === undefined || endedAt === undefined) return undefined;
  const since = endedAt - BigInt(seconds) * 1_000_000n;
  let [lost, whole] = [0n, 0n];
  for (const { from, to } of slicesOf(run, endedAt, undefined)) {
    whole += to - from;
    if (to > since) lost += to - (from > since ? from : since);
  }
  return whole === 0n ? ONE : fraction(lost, whole);
}
