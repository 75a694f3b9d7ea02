/** Brings a report to the hold that it is about, or keeps it until there is one. The rules are in bind_report.sql. */
import { createHash } from 'node:crypto';
import { splitJobId } from '../domain/slurm-job';
import { renderAmount } from '../domain/money';
import { instantOfMs } from '../domain/time';
import type { Sql } from '../platform/postgres';
import type { Caller, CostReport, ReportedJob, ReportSource, ToldEvent, Waiting } from './contract';
import { ask } from './errors';
import { eventRows, type EventToRecord } from './events';
import type { PriceBooks } from './price-book';

export interface ReportToBind extends ReportedJob {
  source: ReportSource;
  cost?: CostReport['cost'];
  correction?: boolean;
  /** Changes nothing. */
  onlyLooks?: boolean;
}

export type Bound = { outcome: 'bound'; holdId: string } | ({ outcome: 'waiting' } & Waiting) | { outcome: 'nothing' };

interface RawBound {
  outcome: Bound['outcome'];
  hold_id?: string;
  unmatched_no?: string;
  why?: Waiting['why'];
}

/** That a job has ended, where the report says anything of it. */
export function endOf(job: ReportedJob, source: ReportSource): ToldEvent[] {
  const { startedAt, endedAt, endState, exitCode } = job;
  if (source === 'reconcile') return [];
  if (source === 'asbx' && endedAt === undefined) return [];
  return [
    {
      type: 'ended',
      // Epilogs run at the end of their jobs, but may be sent later.
      at: endedAt ?? instantOfMs(Date.now()),
      ...(endedAt === undefined && { atArrival: true }),
      ...(startedAt === undefined ? {} : { startedAt }),
      ...(endState === undefined ? {} : { endState }),
      ...(exitCode === undefined ? {} : { exitCode }),
      raw: job.evidence,
    },
  ];
}

export async function bindReport(
  { sql, prices }: { sql: Sql; prices: PriceBooks },
  report: ReportToBind,
  { principal, key, bodyHash }: Caller,
): Promise<Bound> {
  const { source, cluster, account, user, partition, submittedAt, startedAt, endedAt, cost, correction } = report;
  const { jobId, task } = splitJobId(report.jobId);
  const about = {
    cluster,
    jobId,
    task,
    ...(account && { account }),
    ...(user && { user }),
    ...(partition && { partition }),
  };
  const fingerprint = sha256(
    JSON.stringify([
      source,
      task,
      account,
      submittedAt,
      startedAt,
      endedAt,
      cost && renderAmount(cost.amount),
      correction,
    ]),
  );
  const ends = endOf(report, source).map((event): EventToRecord => ({
    ...event,
    ...about,
    // Without a time of its own it would be another event each time that it is told.
    ...(endedAt === undefined && { once: `end ${fingerprint}` }),
  }));
  const costs: EventToRecord[] =
    cost === undefined
      ? []
      : [
          {
            ...about,
            type: 'cost',
            at: endedAt ?? instantOfMs(Date.now()),
            cost: cost.numeral,
            correction: correction ?? false,
            final: true,
            once: `cost ${fingerprint}`,
            raw: report.evidence,
          },
        ];
  // A cost is recorded by whoever reconciles it; here its job is only bound.
  const binding: EventToRecord = {
    ...about,
    type: 'submitted',
    at: instantOfMs(Date.now()),
    once: 'bound by a report',
  };
  const atOnce = source === 'reconcile' ? [] : cost === undefined ? ends : [binding];
  const rows = await eventRows([...atOnce, ...ends, ...costs], prices);
  const clusterNo = (rows[0] ?? (await eventRows([binding], prices))[0])?.cluster_no;

  const asked = {
    source,
    cluster_no: clusterNo,
    job_id: jobId,
    task,
    account,
    user,
    partition,
    submitted_at: submittedAt,
    not_after: source === 'epilog' ? (startedAt ?? endedAt ?? instantOfMs(Date.now())) : undefined,
    hold_id: report.holdId,
    hold_key: report.holdKey,
    any_of_its_id: source !== 'epilog' && [submittedAt, startedAt, endedAt].every((time) => time === undefined),
    guesses: source === 'epilog' || submittedAt !== undefined,
    opens_late: source === 'epilog',
    only_looks: report.onlyLooks ?? false,
    cost_micro: cost?.amount.toString(),
    correction: correction ?? false,
    evidence: report.evidence ?? null,
    fingerprint,
  };
  // What binds says no submit time: `at` of a `submitted` event is the hold's where the report has none.
  const { allocated } = report;
  const json = (events: typeof rows) =>
    JSON.stringify(
      events.map((row) => ({
        ...row,
        ...(row.type === 'submitted' && { submitted_at: undefined }),
        ...(row.type === 'ended' && { allocated }),
      })),
    );
  const [row] = await ask(
    () => sql<{ answer: RawBound }[]>`
      select ledger.bind_report(${JSON.stringify(asked)}::text::jsonb, ${json(rows.slice(0, atOnce.length))}::text::jsonb,
        ${json(rows.slice(atOnce.length))}::text::jsonb, ${principal}, ${key ?? null}, ${bodyHash ?? null}) as answer`,
  );
  if (!row) throw new Error('ledger.bind_report answered nothing');
  return readBound(row.answer);
}

function readBound({ outcome, hold_id, unmatched_no, why }: RawBound): Bound {
  if (outcome === 'bound' && hold_id !== undefined) return { outcome, holdId: hold_id };
  if (outcome === 'waiting' && unmatched_no !== undefined && why)
    return { outcome, unmatchedNo: Number(unmatched_no), why };
  return { outcome: 'nothing' };
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
