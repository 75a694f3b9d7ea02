/** Jobs as the ledger knows them: what schedulers said of them, what became of their holds, and their stories for people. */
import { Fault } from '../domain/faults';
import { jobWorkflowId, type TransactionId } from '../domain/ids';
import type { EndState, JobEventType, JobState, Resources } from '../domain/job';
import { toMicro, ZERO, type Micro } from '../domain/money';
import type { AdmissionKind } from '../domain/policy';
import { runSeconds } from '../domain/runs';
import { instantOfMicros } from '../domain/time';
import type { Sql } from '../platform/postgres';
import { accruedOf } from './accrual';
import { bookFor, openAdvance } from './advance';
import { chapterOf, tellWithPrices } from './chapters';
import type { Holds, Job, JobDecision, JobRun, Jobs, JobStory, Movements } from './contract';
import { renderDecision, type RecordedAnswer, type RecordedRequest } from './decision';
import { ask } from './errors';
import { openEvents } from './events';
import { cursorOf, pageOf, rowsAsked } from './paging';
import type { PriceBooks } from './price-book';
import { openReconcile } from './reconcile';
import { readLoneChanges } from './slurm/lone-changes';
import { readRefusedChanges } from './slurm/refused-changes';
import { requireAccount } from './require-account';
import { loadManyFacts, type LedgerFacts } from './story-facts';

export interface JobsOptions {
  sql: Sql;
  prices: PriceBooks;
  holds: Pick<Holds, 'read'>;
  movements: Pick<Movements, 'list'>;
}

interface JobRow {
  jobNo: bigint;
  cluster: string;
  timeZone: string;
  jobId: string;
  name: string | null;
  account: string | null;
  unit: string | null;
  user: string | null;
  partition: string | null;
  submittedAt: string | null;
  state: JobState;
  quarantined: boolean;
  leaderNo: bigint | null;
  holdId: TransactionId | null;
  late: boolean;
  admitted: AdmissionKind | null;
  admissionReason: string | null;
  admissionCost: bigint | null;
  stamp: string | null;
  held: bigint | null;
  charged: bigint | null;
  generation: number;
  updatedAt: string;
}

/** Of a job that only a check has named: it may have been denied. */
type AskedRow = Omit<JobRow, 'state'> & { state: JobStory['state'] };

/** States in which a job may have accrued something that nobody has charged yet. */
const ACCRUING: readonly JobState[] = ['running', 'suspended', 'awaiting_cost', 'overdue', 'quarantined'];

export function openJobs({ sql, prices, holds, movements }: JobsOptions): Jobs {
  const recordEvents = openEvents({ sql, prices });
  const advance = openAdvance({ sql, prices });
  const reconcile = openReconcile({ sql, prices, advance });

  async function withAccruals(rows: readonly JobRow[]): Promise<Job[]> {
    const running = rows.flatMap(({ leaderNo, state }) =>
      leaderNo !== null && ACCRUING.includes(state) ? [leaderNo] : [],
    );
    const stories = await loadManyFacts(sql, [...new Set(running)]);
    return Promise.all(
      rows.map(async (row) => {
        const facts = row.leaderNo === null ? undefined : stories.get(row.leaderNo);
        return jobOf(row, facts ? accruedOf(facts, await bookFor(facts, prices)) : ZERO);
      }),
    );
  }

  return {
    recordEvents,
    advance: (holdId, options) => advance(holdId, options),
    reconcile,

    async list(filter, page) {
      const rows = await jobsWhere(
        sql,
        sql`(${filter.cluster ?? null}::text is null or c.name = ${filter.cluster ?? null})
          and (${filter.account ?? null}::text is null or j.account_name = ${filter.account ?? null})
          and (${filter.user ?? null}::text is null or j.user_name = ${filter.user ?? null})
          and (${filter.state ?? null}::text is null or j.state = ${filter.state ?? null})
          and (${filter.quarantined ?? null}::boolean is null or j.quarantined = ${filter.quarantined ?? null})
          and (${filter.late ?? null}::boolean is null or coalesce(ledger.came_late(h), false) = ${filter.late ?? null})
          and (${filter.admitted ?? null}::text is null or coalesce(came.admitted, h.uncharged) = ${filter.admitted ?? null})
          and (${filter.jobId ?? null}::text is null or j.job_id = ${filter.jobId ?? null})
          and j.job_no < ${cursorOf(page)}`,
        rowsAsked(page),
        page.offset,
      );
      if (rows.length === 0 && filter.account !== undefined) await requireNamedAccount(sql, filter.account);
      const { rows: shown, ...next } = pageOf(rows, page, ({ jobNo }) => jobNo);
      return { rows: await withAccruals(shown), ...next };
    },

    async read(cluster, jobId) {
      // Ids recycle: the newest job of that id. `4711_3` is a task of the array 4711, `4711+1` a component of 4711.
      const ids = [jobId, jobId.replace(/[_+]\d+$/, '')];
      const [known] = await jobsWhere(
        sql,
        sql`c.name = ${cluster} and j.job_id = any (${ids})`,
        1,
        0,
        sql`j.job_id = ${jobId} desc, j.submitted_at desc nulls last, j.job_no desc`,
      );
      const row = known ?? (await askedJob(sql, cluster, ids));
      if (!row) {
        throw new Fault('job_not_found', `Nothing is known of job ${jobId} on ${cluster}.`, {
          facts: { cluster, job_id: jobId },
        });
      }
      return storyOf(row);
    },
  };

  async function storyOf(row: AskedRow): Promise<JobStory> {
    const [events, decision, refusedChanges, loneChanges] = await Promise.all([
      readEvents(sql, row).then((rows) => eventsOf(rows, row)),
      readDecision(sql, row),
      readRefusedChanges(sql, row),
      readLoneChanges(sql, row),
    ]);
    if (row.holdId === null || row.leaderNo === null) {
      return {
        ...jobOf(row, ZERO),
        ...(decision ? { decision } : {}),
        runs: [],
        refusedChanges,
        loneChanges,
        events,
        transactions: [],
      };
    }
    const [facts, hold, transactions] = await Promise.all([
      loadManyFacts(sql, [row.leaderNo]).then((found) => found.get(row.leaderNo as bigint)),
      holds.read(row.holdId),
      movements.list({ holdId: row.holdId }, { limit: 1000 }),
    ]);
    if (!facts) throw new Error(`job ${row.jobId} is bound to a hold that is not there`);
    const book = await bookFor(facts, prices);
    const told = tellWithPrices(facts, book, { scheduler: 'absent' });
    const chapter = chapterOf(facts, told.story);
    const missing = [...told.unpriced.values()].join('; ');
    return {
      // Of what was given up nothing accrues any more: the story would be open if anything could still be charged.
      ...jobOf(row, told.story.isOver ? ZERO : accruedOf(facts, book, told.story.runs)),
      state: told.story.state,
      ...(decision ? { decision } : {}),
      hold,
      runs: await runsOf(facts, told.story.runs),
      refusedChanges,
      loneChanges,
      events,
      transactions: transactions.rows.toReversed(),
      ...(chapter.closed ? {} : { waitsFor: missing === '' ? chapter.waitsFor : `${chapter.waitsFor} (${missing})` }),
      ...(told.story.deadline === undefined ? {} : { deadline: instantOfMicros(told.story.deadline) }),
    };
  }

  async function runsOf(
    facts: LedgerFacts,
    storyRuns: ReturnType<typeof tellWithPrices>['story']['runs'],
  ): Promise<JobRun[]> {
    const ids = await transactionIdsOf(
      sql,
      facts.charges.map(({ chargeNo }) => chargeNo),
    );
    return storyRuns.map(({ run, runKey }) => {
      const charge = facts.charges.find((candidate) => candidate.runKey === runKey);
      const transactionId = charge && ids.get(charge.chargeNo);
      return {
        runKey,
        task: run.task,
        ...(run.startedAt === undefined ? {} : { startedAt: instantOfMicros(run.startedAt) }),
        ...(run.endedAt === undefined ? {} : { endedAt: instantOfMicros(run.endedAt) }),
        ...(run.endState === undefined ? {} : { endState: run.endState }),
        runSeconds: runSeconds(run, run.endedAt ?? run.supersededAt ?? facts.now),
        ...(charge && transactionId
          ? {
              charge: {
                transactionId,
                amount: charge.amount,
                refunded: charge.refunded,
                source: charge.isReported ? 'reported' : charge.source,
              },
            }
          : {}),
      };
    });
  }
}

/** Jobs may name accounts that Bursar does not have, and are found by them; a name that no job says either is a mistake. */
async function requireNamedAccount(sql: Sql, name: string): Promise<void> {
  const [named] = await ask(() => sql`select from ledger.jobs where account_name = ${name} limit 1`);
  if (!named) await requireAccount(sql, name);
}

const jobsWhere = (
  sql: Sql,
  condition: ReturnType<Sql>,
  limit: number,
  offset = 0,
  order: ReturnType<Sql> = sql`j.job_no desc`,
): Promise<JobRow[]> =>
  ask(
    () => sql<JobRow[]>`
      select j.job_no as "jobNo", c.name as cluster, c.time_zone as "timeZone", j.job_id as "jobId", j.name,
        j.account_name as account, a.unit, j.user_name as "user", j.partition, j.submitted_at as "submittedAt", j.state,
        j.quarantined, coalesce(h.group_no, h.hold_no) as "leaderNo", h.hold_id as "holdId",
        coalesce(ledger.came_late(h), false) as late, coalesce(came.admitted, h.uncharged) as admitted,
        came.reason as "admissionReason", came.cost_micro as "admissionCost", j.stamp,
        coalesce(members.held, h.held_micro) as held, coalesce(members.charged, h.charged_micro) as charged,
        coalesce(s.generation, 0) as generation, j.updated_at as "updatedAt"
      from ledger.jobs j
      join ledger.clusters c on c.cluster_no = j.cluster_no
      left join ledger.holds h on h.hold_no = j.hold_no
      left join ledger.accounts a on a.account_no = h.account_no
      left join ledger.submissions came on came.cluster_no = j.cluster_no and came.key = j.stamp
      left join ledger.stories s on s.hold_no = coalesce(h.group_no, h.hold_no)
      left join lateral (
        select sum(m.held_micro)::bigint as held, sum(m.charged_micro)::bigint as charged
        from ledger.holds m where m.group_no = h.group_no) members on h.group_no = h.hold_no
      where ${condition}
      order by ${order}
      limit ${limit} offset ${offset}`,
  );

const jobOf = <State extends JobStory['state']>(
  row: Omit<JobRow, 'state'> & { state: State },
  accrued: Micro,
): Omit<Job, 'state'> & { state: State } => ({
  cluster: row.cluster,
  clusterTimeZone: row.timeZone,
  jobId: row.jobId,
  ...(row.name === null ? {} : { name: row.name }),
  ...(row.account === null ? {} : { account: row.account }),
  ...(row.unit === null ? {} : { unit: row.unit }),
  ...(row.user === null ? {} : { user: row.user }),
  ...(row.partition === null ? {} : { partition: row.partition }),
  ...(row.submittedAt === null ? {} : { submittedAt: row.submittedAt }),
  state: row.state,
  quarantined: row.quarantined,
  ...(row.holdId === null
    ? {}
    : { holdId: row.holdId, workflowId: jobWorkflowId(row.cluster, row.holdId, row.generation) }),
  late: row.late,
  ...(row.admitted === null ? {} : { admission: admissionOf(row) }),
  held: toMicro(row.held ?? 0n),
  charged: toMicro(row.charged ?? 0n),
  accrued,
  updatedAt: row.updatedAt,
});

const admissionOf = ({ admitted, admissionReason: reason, admissionCost: cost }: Omit<JobRow, 'state'>) => ({
  kind: admitted as AdmissionKind, // Only called where it is one.
  ...(reason === null ? {} : { reason }),
  ...(cost === null ? {} : { cost: toMicro(cost) }),
});

// What was said ---------------------------------------------------------------------------------------------------------

interface EventRow {
  jobId: string;
  submittedAt: string | null;
  type: JobEventType;
  task: string;
  at: string;
  recordedAt: string;
  facts: {
    startedAt?: number;
    endState?: EndState;
    cancelledBy?: string;
    uid?: number;
    exitCode?: number;
    resources?: Resources;
    timeLimitSeconds?: number;
    suspendedSeconds?: number;
    cost?: string;
    correction?: boolean;
    note?: string;
  };
}

/** In the order in which it happened; a requeued job has one row a submission, its hold has one story. */
const readEvents = (sql: Sql, { jobNo, leaderNo }: AskedRow): Promise<EventRow[]> =>
  ask(
    () => sql<EventRow[]>`
      select j.job_id as "jobId", j.submitted_at as "submittedAt", e.type, e.task, e.at, e.recorded_at as "recordedAt",
        e.facts - 'raw' as facts
      from ledger.jobs j join ledger.job_events e on e.job_no = j.job_no
      where j.job_no = ${jobNo} or j.hold_no in (
        select h.hold_no from ledger.holds h where h.hold_no = ${leaderNo} or h.group_no = ${leaderNo})
      order by e.at, e.event_no`,
  );

const eventsOf = (rows: readonly EventRow[], { cluster }: AskedRow): JobStory['events'] =>
  rows.map(({ facts, jobId, submittedAt, type, task, at, recordedAt }) => ({
    cluster,
    jobId,
    type,
    task,
    at,
    recordedAt,
    ...(submittedAt === null ? {} : { submittedAt }),
    ...(facts.startedAt === undefined ? {} : { startedAt: instantOfMicros(BigInt(facts.startedAt)) }),
    ...(facts.endState === undefined ? {} : { endState: facts.endState }),
    ...(facts.cancelledBy === undefined ? {} : { cancelledBy: facts.cancelledBy }),
    ...(facts.uid === undefined ? {} : { uid: facts.uid }),
    ...(facts.exitCode === undefined ? {} : { exitCode: facts.exitCode }),
    ...(facts.resources === undefined ? {} : { resources: facts.resources }),
    ...(facts.timeLimitSeconds === undefined ? {} : { timeLimitSeconds: facts.timeLimitSeconds }),
    ...(facts.suspendedSeconds === undefined ? {} : { suspendedSeconds: facts.suspendedSeconds }),
    ...(facts.cost === undefined ? {} : { cost: facts.cost }),
    ...(facts.correction === undefined ? {} : { correction: facts.correction }),
    ...(facts.note === undefined ? {} : { note: facts.note }),
  }));

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
async function readDecision(
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
async function askedJob(sql: Sql, cluster: string, ids: string[]): Promise<AskedRow | undefined> {
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

async function transactionIdsOf(sql: Sql, txnNos: readonly bigint[]): Promise<Map<bigint, TransactionId>> {
  if (txnNos.length === 0) return new Map();
  const rows = await ask(
    () => sql<{ txn_no: bigint; transaction_id: TransactionId }[]>`
      select txn_no, transaction_id from ledger.transactions where txn_no = any (${txnNos.map(String)}::bigint[])`,
  );
  return new Map(rows.map(({ txn_no, transaction_id }) => [txn_no, transaction_id]));
}
