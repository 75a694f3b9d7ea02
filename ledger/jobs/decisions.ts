/** What was decided before a job ran, and the job that only its check has named. */
import type { Sql } from '../../platform/postgres';
import type { JobDecision } from '../contract';
import { renderDecision, type RecordedAnswer, type RecordedRequest } from '../decision';
import { ask } from '../errors';
import type { AskedRow } from './rows';

interface DecisionRow {
  decisionNo: bigint;
  code: string;
  at: string;
  decidedAt: string;
  request: RecordedRequest;
  answer: RecordedAnswer;
}

async function decisionWhere(sql: Sql, condition: ReturnType<Sql>): Promise<DecisionRow | undefined> {
  const [row] = await ask(
    () => sql<DecisionRow[]>`
      select d.decision_no as "decisionNo", d.code, d.effective_at as at, d.decided_at as "decidedAt", d.request, d.answer
      from ledger.decisions d
      where ${condition}
      order by d.decision_no desc
      limit 1`,
  );
  return row;
}

const decisionOf = ({ request, answer, at, decidedAt }: DecisionRow): JobDecision => ({
  ...renderDecision(request, answer, at, false),
  decidedAt,
  components: request.components,
  ...(request.details === undefined ? {} : { details: request.details }),
});

/** The check that placed the hold; a job that has none, or a late one, may have been refused. */
export async function readDecision(
  sql: Sql,
  { leaderNo, cluster, jobId, submittedAt, stamp }: AskedRow,
): Promise<JobDecision | undefined> {
  const placed = leaderNo === null ? undefined : await decisionWhere(sql, sql`d.decision_no = ${leaderNo}`);
  // A stamp says which decision it was. Else ids recycle: a job is asked for about when it is submitted.
  const refused =
    placed ??
    (stamp === null
      ? undefined
      : await decisionWhere(
          sql,
          sql`d.key = ${stamp} and d.code <> 'placed' and d.request ->> 'cluster' = ${cluster}`,
        )) ??
    (await decisionWhere(
      sql,
      sql`d.code <> 'placed' and d.request ->> 'jobId' = ${jobId} and d.request ->> 'cluster' = ${cluster}
        and (${submittedAt}::timestamptz is null
          or d.effective_at between ${submittedAt}::timestamptz - interval '1 day' and ${submittedAt}::timestamptz + interval '1 day')`,
    ));
  return refused && decisionOf(refused);
}

/** A job that was asked for and never heard of: as much of a job as its last check says. */
export async function askedJob(sql: Sql, cluster: string, ids: string[]): Promise<AskedRow | undefined> {
  const named = sql`d.request ->> 'jobId' = any (${ids}) and d.request ->> 'cluster' = ${cluster}`;
  const [placed, refused] = await Promise.all([
    decisionWhere(sql, sql`d.code = 'placed' and ${named}`),
    decisionWhere(sql, sql`d.code <> 'placed' and ${named}`),
  ]);
  const decision = (refused?.decisionNo ?? 0n) > (placed?.decisionNo ?? 0n) ? refused : placed;
  if (!decision) return undefined;
  const { request, answer, decidedAt } = decision;
  const [hold] = await ask(
    () => sql<{ held: bigint | null; charged: bigint | null; generation: number | null }[]>`
      select sum(h.held_micro)::bigint as held, sum(h.charged_micro)::bigint as charged, max(s.generation) as generation
      from ledger.holds h left join ledger.stories s on s.hold_no = ${decision.decisionNo}
      where h.hold_no = ${decision.decisionNo} or h.group_no = ${decision.decisionNo}`,
  );
  const holdId = answer.hold_ids?.[0] ?? null;
  return {
    jobNo: 0n,
    cluster,
    timeZone: request.timeZone,
    jobId: request.jobId ?? '',
    name: request.jobName ?? null,
    account: request.account,
    unit: request.unit,
    user: request.user ?? null,
    partition: request.components[0]?.partition ?? null,
    submittedAt: null,
    state: holdId === null ? 'denied' : 'pending',
    quarantined: false,
    leaderNo: holdId === null ? null : decision.decisionNo,
    holdId,
    late: false,
    admitted: null,
    admissionReason: null,
    admissionCost: null,
    stamp: null,
    held: hold?.held ?? null,
    charged: hold?.charged ?? null,
    generation: hold?.generation ?? 0,
    updatedAt: decidedAt,
  };
}
