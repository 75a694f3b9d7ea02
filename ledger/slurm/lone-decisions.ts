/**
 * What a hook decided alone while the service was away. A job that it let in is asked about now, as of then, with the key
 * that is stamped on it: if the money is there it gets its hold late, and if not it is followed and charged without one. In
 * either case how it came in stays visible.
 */
import { Fault } from '../../domain/faults';
import { parseReportedCost } from '../../domain/money';
import type { LoneDecision } from '../../domain/slurm-alone';
import type { Sql } from '../../platform/postgres';
import type { Admission, Caller, SlurmReceipt } from '../contract';
import { ask } from '../errors';
import type { RecordEvents } from '../events';
import type { NumberedCluster, PriceBooks } from '../price-book';
import { clusterNamed } from './cluster';
import { noteSubmission } from './notes';
import { checkOf } from './request';
import { submissionOf } from './submissions';

export type TakeLoneDecision = (
  cluster: NumberedCluster,
  decision: LoneDecision,
  caller: Caller,
) => Promise<SlurmReceipt>;

export interface LoneDecisionsDeps {
  sql: Sql;
  prices: PriceBooks;
  admission: Admission;
  recordEvents: RecordEvents;
}

export const AWAY = 'Bursar could not be reached';

const SENTENCES = {
  open: 'The hook let the job in unchecked',
  open_to_limit: 'The hook let the job in, below what the cluster lets in by the hour',
  closed: 'The hook refused the job',
  exempt: 'The hook let the job in as exempt',
} as const;

export function openLoneDecisions({ sql, prices, admission, recordEvents }: LoneDecisionsDeps): TakeLoneDecision {
  return async function takeLoneDecision(cluster, { key, at, outcome, cost, why, job }, caller) {
    const submission = submissionOf(job);
    const readable = 'code' in submission ? undefined : submission;
    const isAsked = readable !== undefined && (outcome === 'open' || outcome === 'open_to_limit');
    const held = isAsked ? await holdLate() : undefined;
    const isNews = await noteSubmission(
      sql,
      cluster,
      {
        key,
        admitted: outcome,
        code: outcome === 'exempt' ? 'exempt' : 'service_unavailable',
        reason: `${SENTENCES[outcome]}: ${why ?? AWAY}.`,
        at,
        ...(cost === undefined ? {} : { cost: parseReportedCost(cost) }),
        ...(readable && { submission: readable }),
      },
      caller,
    );
    return { status: isNews ? 'recorded' : 'duplicate', ...held };

    async function holdLate(): Promise<Partial<SlurmReceipt>> {
      const known = await jobStamped(sql, cluster, key);
      if (known && !known.mayBeBound)
        return { jobId: known.jobId, detail: 'the job was heard of before and has its hold' };
      // The service had decided, and its answer came too late: perhaps asked by a key of another name than the relay's.
      const asker = (await askerOf(sql, cluster, key)) ?? caller.principal;
      const { book } = await clusterNamed(prices, cluster.name);
      const check = readable && checkOf(readable, cluster, book, at);
      if (!check) return { detail: 'it names no account; it is charged to whichever its end names' };
      try {
        const decision = await admission.check({ ...check, at }, { principal: asker, key });
        if (!decision.available) return { detail: `no money was held: ${decision.message}` };
        if (known) await bind(known);
        return { ...(known && { jobId: known.jobId }), ...(decision.holdId && { holdId: decision.holdId }) };
      } catch (error) {
        if (!(error instanceof Fault && error.code === 'account_not_found')) throw error;
        return { detail: error.message };
      }
    }

    /** Its events came first and found no hold with that key: they have a late one of nothing, or none. */
    async function bind({ jobId, submittedAt }: StampedJob): Promise<void> {
      const submitted = submittedAt ?? at;
      await recordEvents(
        [
          {
            type: 'submitted',
            cluster: cluster.name,
            jobId,
            at: submitted,
            ...(submittedAt === null ? {} : { submittedAt }),
            holdKey: key,
          },
        ],
        caller,
      );
    }
  };
}

interface StampedJob {
  jobId: string;
  submittedAt: string | null;
  /** It has no hold, or a late one that has paid for nothing. */
  mayBeBound: boolean;
}

async function jobStamped(sql: Sql, { clusterNo }: NumberedCluster, key: string): Promise<StampedJob | undefined> {
  const [row] = await ask(
    () => sql<StampedJob[]>`
      select j.job_id as "jobId", j.submitted_at as "submittedAt",
        ledger.may_be_bound(j.hold_no)
          and not exists (select from ledger.holds h where h.hold_no = j.hold_no and h.status <> 'open') as "mayBeBound"
      from ledger.jobs j
      where j.cluster_no = ${clusterNo} and j.stamp = ${key}
      order by j.job_no desc limit 1`,
  );
  return row;
}

/** Who asked about the submission with that key, if anybody has. */
export async function askerOf(sql: Sql, { name }: NumberedCluster, key: string): Promise<string | undefined> {
  const [row] = await ask(
    () => sql<{ principal: string }[]>`
      select principal from ledger.decisions
      where key = ${key} and request ? 'mode' and request ->> 'cluster' = ${name}
      order by code = 'placed' desc, decision_no
      limit 1`,
  );
  return row?.principal;
}
