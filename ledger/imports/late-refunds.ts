/**
 * What runs get back that an import has charged, because of how the log says they ended: by the same policy as those whose end is
 * heard live, and once, however often the log is read. The log is not kept, so what its row said is kept with the refund.
 */
import { given } from '../../domain/given';
import { runKeyOf } from '../../domain/run-charges';
import { describeRefund, refundOfLogged, refundTermsOf, type RunRefund } from '../../domain/refund';
import type { SacctRun } from '../../domain/sacct-runs';
import { joinJobId, splitJobId } from '../../domain/slurm-job';
import { instantOfMicros } from '../../domain/time';
import type { Sql } from '../../platform/postgres';
import type { Cluster } from '../contract';
import { ask } from '../errors';
import { ACTOR } from './lock';

/** What a run is to get; undefined: nothing. */
export const lateRefundOf = (run: SacctRun, cluster: Cluster): Omit<RunRefund, 'eventNo'> | undefined =>
  refundOfLogged(run, refundTermsOf(cluster));

/** Whether any run may get anything back. */
export function hasRefunds(cluster: Cluster): boolean {
  const { lostTimeSeconds: _, ...terms } = refundTermsOf(cluster);
  return Object.values(terms).some((policy) => policy !== 'none');
}

/** What ledger.refund_imported_runs takes. */
export function lateRefundRequest(run: SacctRun, refund: Omit<RunRefund, 'eventNo'>, cluster: Cluster) {
  const { jobId, submittedAt, startedAt, endedAt, endState, cancelledBy, uid } = run;
  const id = splitJobId(jobId);
  return {
    run_key: runKeyOf(cluster.name, { ...id, submittedAt: BigInt(submittedAt), startedAt: BigInt(startedAt) }),
    reason: refund.reason,
    policy: refund.policy,
    numerator: refund.share.numerator.toString(),
    denominator: refund.share.denominator.toString(),
    description: describeRefund(joinJobId(id), refund),
    actor: ACTOR,
    at: instantOfMicros(BigInt(endedAt)),
    record: { jobId, endState, ...given({ cancelledBy, uid }), startedAt: instantOfMicros(BigInt(startedAt)) },
  };
}

/** In one transaction. */
export async function refundLate(
  sql: Sql,
  requests: readonly ReturnType<typeof lateRefundRequest>[],
): Promise<{ refunded: number; amount: bigint }> {
  const [row] = await ask(
    () => sql<{ refunded: bigint; amount: bigint }[]>`
      select refunded, amount_micro as amount from ledger.refund_imported_runs(${JSON.stringify(requests)}::text::jsonb)`,
  );
  return { refunded: Number(row?.refunded ?? 0n), amount: row?.amount ?? 0n };
}
