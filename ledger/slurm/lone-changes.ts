/**
 * Changes of jobs (`scontrol update`) that a hook decided alone while the service was away. One that it let in is asked about
 * now, as it would have been then: the hold becomes what the changed job may cost, or stays where the money does not reach,
 * and that is among the refusals. In either case how it came in stays visible.
 */
import { Fault, FAULTS } from '../../domain/faults';
import { given } from '../../domain/given';
import { parseReportedCost, toMicro } from '../../domain/money';
import type { LoneChange as LoneChangeRecord } from '../../domain/slurm-alone';
import { mergeChanges } from '../../domain/slurm-changes';
import type { Instant } from '../../domain/time';
import type { Sql } from '../../platform/postgres';
import type { Caller, LoneChange, Slurm, SlurmReceipt } from '../contract';
import { ask } from '../errors';
import type { NumberedCluster } from '../price-book';
import { nameOfChange } from './changed-job';
import { isOvertaken } from './last-changes';
import { askerOf, AWAY } from './lone-decisions';
import { noteSubmission } from './notes';
import { submissionOf } from './submissions';

export type TakeLoneChange = (
  cluster: NumberedCluster,
  change: LoneChangeRecord,
  caller: Caller,
) => Promise<SlurmReceipt>;

const SENTENCES = {
  open: 'The hook let the change in unchecked',
  open_to_limit: 'The hook let the change in, below what the cluster lets in by the hour',
  closed: 'The hook refused the change',
  exempt: 'The hook let the change in as exempt',
} as const;

/** The change itself may leave a note under its key: that it was refused late, or that the job is exempt from then on. */
const LONE = '-alone';

export function openLoneChanges({ sql, modify }: { sql: Sql; modify: Slurm['modify'] }): TakeLoneChange {
  return async function takeLoneChange(cluster, change, caller) {
    const { key, at, outcome, cost, why, jobId, arrayOrJobId, job, changes } = change;
    const known = await stateOf(sql, cluster, change);
    if (known.isNoted) return { status: 'duplicate', jobId: arrayOrJobId };
    const held = outcome === 'closed' ? {} : await holdFor();
    const submission = submissionOf(mergeChanges(job, changes));
    await noteSubmission(
      sql,
      cluster,
      {
        key: `${key}${LONE}`,
        admitted: outcome,
        code: outcome === 'exempt' ? 'exempt' : 'service_unavailable',
        reason: `${SENTENCES[outcome]}: ${why ?? AWAY}.`,
        at,
        jobId: arrayOrJobId,
        ...given({ cost: cost === undefined ? undefined : parseReportedCost(cost) }),
        ...('code' in submission ? {} : { submission }),
      },
      caller,
    );
    return { status: 'recorded', jobId: arrayOrJobId, ...held };

    async function holdFor(): Promise<Partial<SlurmReceipt>> {
      if (known.isOver) return { detail: 'the job is over, and charged as it ran' };
      const name = nameOfChange({ facts: job, jobId });
      if (await isOvertaken(sql, cluster, { ...name, key, decidedAt: at })) {
        return { detail: 'the job was changed again since, and what is held is for that' };
      }
      return askLate();
    }

    async function askLate(): Promise<Partial<SlurmReceipt>> {
      // The service had decided, and its answer came too late: perhaps asked by a key of another name than the relay's.
      const principal = (await askerOf(sql, cluster, key)) ?? caller.principal;
      const asked = {
        cluster: cluster.name,
        jobId,
        newKey: key,
        at,
        facts: job,
        changes,
        ...given({ stamp: change.stamp }),
      };
      try {
        const { wouldDeny, message, holdId } = await modify(asked, { principal });
        return wouldDeny ? { detail: `no money was held for the change: ${message}` } : given({ holdId });
      } catch (error) {
        // Nothing that comes back with the same record would mend these.
        if (!(error instanceof Fault) || FAULTS[error.code].status >= 500) throw error;
        return { detail: error.message };
      }
    }
  };
}

async function stateOf(
  sql: Sql,
  { clusterNo }: NumberedCluster,
  { key, arrayOrJobId, submittedAt, stamp }: LoneChangeRecord,
): Promise<{ isNoted: boolean; isOver: boolean }> {
  const [row] = await ask(
    () => sql<{ isNoted: boolean; isOver: boolean }[]>`
      select
        exists (select from ledger.submissions where cluster_no = ${clusterNo} and key = ${key + LONE}) as "isNoted",
        exists (
          select from ledger.jobs
          where cluster_no = ${clusterNo} and state not in ('pending', 'running', 'suspended', 'unmatched')
            and (stamp = ${stamp ?? null}::text
              or (job_id = ${arrayOrJobId} and submitted_at = ${submittedAt ?? null}::timestamptz))) as "isOver"`,
  );
  return row ?? { isNoted: false, isOver: false };
}

/** In the order in which they were made. Ids come back: of the job of that id that was submitted then. */
export async function readLoneChanges(
  sql: Sql,
  { cluster, jobId, submittedAt }: { cluster: string; jobId: string; submittedAt: Instant | null },
): Promise<LoneChange[]> {
  const rows = await ask(
    () => sql<{ at: Instant; outcome: LoneChange['outcome']; message: string; cost: bigint | null }[]>`
      select s.at, s.admitted as outcome, s.reason as message, s.cost_micro as cost
      from ledger.submissions s join ledger.clusters c using (cluster_no)
      where c.name = ${cluster} and s.job_id = ${jobId} and s.key like ${'%' + LONE} and s.admitted <> 'closed'
        and (${submittedAt}::timestamptz is null or s.at >= ${submittedAt}::timestamptz)
      order by s.at
      limit 1000`,
  );
  return rows.map(({ cost, ...row }) => ({ ...row, ...given({ cost: cost === null ? undefined : toMicro(cost) }) }));
}
