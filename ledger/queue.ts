/**
 * What schedulers show when they are asked, brought together with what the ledger knows. The comparison is one query that
 * locks nothing; only what it finds is recorded, by the same door as what hooks tell (events.ts).
 */
import { Fault } from '../domain/faults';
import { given } from '../domain/given';
import { queueNews, type KnownJob, type QueuedJob } from '../domain/queue';
import { refundReasonOf } from '../domain/refund';
import { CLOCKS_APART_MICROS } from '../domain/runs';
import { joinJobId } from '../domain/slurm-job';
import { readStrand } from '../domain/tasks';
import { compareInstants, epochMicros, instantOfMicros, type Instant } from '../domain/time';
import { fateOf, reductionOf, type LostEvent } from '../domain/unseen';
import type { TransactionId } from '../domain/ids';
import type { Sql } from '../platform/postgres';
import type {
  AskAccounting,
  Caller,
  EventReceipt,
  HistoryReport,
  JobEvent,
  JobQuestion,
  Jobs,
  Queue,
  QueueDeed,
  QueueListing,
  QueueReport,
  SchedulerLook,
} from './contract';
import { ask } from './errors';
import type { NumberedCluster, PriceBooks } from './price-book';
import { exemptionOf } from './slurm/exemption';
import { loadManyFacts } from './story-facts';

export interface QueueOptions {
  sql: Sql;
  prices: PriceBooks;
  recordEvents: Jobs['recordEvents'];
  /** How long nothing may be seen of a hold's job before the hold is given back. Default 5 minutes. */
  graceSeconds?: number;
}

/** So many are told by name; all of them are counted. */
const DEEDS_TOLD = 100;

/** A listing that was on its way for longer says too little of now. */
const STALE_SECONDS = 300;
/** An older one is as good as this: its sender's clock is broken. */
const YEAR_SECONDS = 31_536_000;

/** Rows that are compared in one query: more would only make others wait for the same connection and the same thread. */
const ROWS_AT_ONCE = 2_000;

interface KnownRow {
  i: number;
  holdId: TransactionId | null;
  isBound: boolean;
  isKnown: boolean;
  hasStart: boolean;
  hasEnd: boolean;
  pauses: ['suspended' | 'resumed', number][] | null;
}

interface UnseenRow {
  holdNo: bigint;
  holdId: TransactionId;
  tasksLeft: number;
  seenUntil: Instant | null;
}

/** A row that says something new, and the events that say it. */
interface News {
  job: QueuedJob;
  known: KnownJob;
  events: JobEvent[];
}

export function openQueue({ sql, prices, recordEvents, graceSeconds = 300 }: QueueOptions): Queue {
  async function clusterOf(name: string): Promise<NumberedCluster> {
    const cluster = (await prices.upToDate()).clusters.get(name);
    if (cluster) return cluster;
    throw new Fault('cluster_not_found', `There is no cluster "${name}".`, { facts: { cluster: name } });
  }

  async function begunLooking({ clusterNo }: NumberedCluster): Promise<Instant> {
    const [row] = await ask(
      () => sql<{ begunAt: Instant }[]>`
        insert into ledger.scheduler_looks as l (cluster_no) values (${clusterNo})
        on conflict (cluster_no) do update set cluster_no = excluded.cluster_no
        returning begun_at as "begunAt"`,
    );
    return row?.begunAt ?? EPOCH;
  }

  /** In parts, so that the process can do something else in between. */
  async function newsOf(cluster: NumberedCluster, name: string, jobs: readonly QueuedJob[], takenAt: Instant) {
    const news: News[] = [];
    const begunAt = jobs.length === 0 ? EPOCH : await begunLooking(cluster);
    for (let start = 0; start < jobs.length; start += ROWS_AT_ONCE) {
      const part = jobs.slice(start, start + ROWS_AT_ONCE);
      const rows = JSON.stringify(part.map((job, i) => ({ i, ...rowOf(job) })));
      const known = await ask(
        () => sql<KnownRow[]>`
          select i, hold_id as "holdId", is_bound as "isBound", is_known as "isKnown", has_start as "hasStart",
            has_end as "hasEnd", pauses
          from ledger.queue_known(${cluster.clusterNo}::int, ${rows}::text::jsonb)`,
      );
      for (const row of known) {
        const job = part[row.i];
        if (!job) throw new Error('ledger.queue_known answered a row that was not asked');
        const knownJob = knownOf(row);
        const events = queueNews(job, takenAt, knownJob).map((event) => ({
          ...event,
          cluster: name,
          ...given({ holdKey: job.stamp }),
        }));
        if (events.length > 0 && !isNothing(job, knownJob) && isOurs(cluster, job, knownJob, begunAt))
          news.push({ job, known: knownJob, events });
      }
    }
    return onceAJob(news);
  }

  /**
   * A job without a stamp may be one of an older submit plugin, whose hold is free: it is known by account, partition,
   * user and time, as a report is. One after the other, for what is bound is not free any more.
   */
  async function recordNews(cluster: NumberedCluster, news: News[], caller: Caller): Promise<EventReceipt[]> {
    const unstamped = news.filter(
      ({ job, known }) => job.stamp === undefined && !known.isKnown && job.account !== undefined,
    );
    const withHolds = unstamped.length === 0 ? [] : await candidates(sql, cluster, unstamped);
    const receipts: EventReceipt[] = [];
    for (const each of withHolds) {
      const [holdId] = await candidateOf(sql, cluster, each.job);
      const events = each.events.map((event) => ({ ...event, ...given({ holdId }) }));
      receipts.push(...(await recordEvents(events, caller)));
    }
    const others = news.filter((each) => !withHolds.includes(each)).flatMap(({ events }) => events);
    return [...receipts, ...(await recordEvents(others, caller))];
  }

  /** The events are recorded, and what came of each is counted and told. */
  async function record(cluster: NumberedCluster, news: News[], caller: Caller) {
    const receipts = (await recordNews(cluster, news, caller)).filter(({ status }) => status !== 'duplicate');
    const heard = news.filter(({ known }) => !known.isKnown || (known.holdId !== undefined && !known.isBound));
    const byJob = new Map(receipts.map((receipt) => [receipt.jobId, receipt]));
    const late = await lateOf(sql, receipts);
    const deeds: QueueDeed[] = heard.flatMap(({ job }) => {
      const receipt = byJob.get(job.jobId);
      if (!receipt) return [];
      const { holdId } = receipt;
      const did = holdId === undefined ? 'unmatched' : late.has(holdId) ? 'adopted' : 'bound';
      return [{ did, jobId: job.jobId, ...given({ holdId }) } satisfies QueueDeed];
    });
    for (const { job, events } of news) {
      for (const { type, at } of events) {
        const did = DEED_OF[type];
        if (did)
          deeds.push({ did, jobId: joinJobId(job), ...given({ holdId: byJob.get(job.jobId)?.holdId }), detail: at });
      }
    }
    return { deeds: onceEach(deeds), recorded: receipts.length };
  }

  /** By the database's clock, which holds are placed by. */
  async function momentOf(ageSeconds: number): Promise<Instant> {
    const [row] = await ask(
      () =>
        sql<
          { at: Instant }[]
        >`select clock_timestamp() - ${Math.min(ageSeconds, YEAR_SECONDS)} * interval '1 second' as at`,
    );
    if (!row) throw new Error('the database does not say what time it is');
    return row.at;
  }

  /** Open holds that no job in the listing carries (nothing is left of them), and arrays with fewer tasks than were known. */
  async function missingIn(
    cluster: NumberedCluster,
    jobs: readonly QueuedJob[],
    listedAt: Instant,
  ): Promise<{ hold_no: string; tasks_left: number }[]> {
    const live = await liveByHold(cluster, jobs);
    const open = await ask(
      () => sql<{ holdNo: bigint; tasks: number }[]>`
        select hold_no as "holdNo", tasks from ledger.holds_to_be_seen(${cluster.clusterNo}::int, ${listedAt})`,
    );
    const missing = open.filter(({ holdNo }) => !live.has(holdNo)).map(({ holdNo }) => ({ holdNo, tasksLeft: 0 }));
    const fewer = open.filter(({ holdNo, tasks }) => tasks > (live.get(holdNo)?.count ?? tasks));
    const told = await toldOf(fewer.map(({ holdNo }) => holdNo));
    for (const { holdNo, tasks } of fewer) {
      const [shown, known] = [live.get(holdNo), told.get(holdNo)];
      if (!shown || known?.isOver) continue;
      const ended = (known?.ended ?? []).filter((task) => !shown.tasks.has(task)).length;
      const left = shown.count + ended;
      if (left < Math.min(tasks, known?.resized ?? tasks)) missing.push({ holdNo, tasksLeft: left });
    }
    return missing.map(({ holdNo, tasksLeft }) => ({ hold_no: holdNo.toString(), tasks_left: tasksLeft }));
  }

  async function liveByHold({ clusterNo }: NumberedCluster, jobs: readonly QueuedJob[]) {
    const live = new Map<bigint, { count: number; tasks: Set<string> }>();
    const rows = jobs.filter(({ phase }) => phase !== 'ended');
    for (let start = 0; start < rows.length; start += ROWS_AT_ONCE) {
      const part = rows.slice(start, start + ROWS_AT_ONCE);
      const asked = JSON.stringify(part.map((job, i) => ({ i, ...rowOf(job) })));
      const carried = await ask(
        () => sql<{ i: number; holdNo: bigint }[]>`
          select i, hold_no as "holdNo" from ledger.carried_holds(${clusterNo}::int, ${asked}::text::jsonb)`,
      );
      for (const { i, holdNo } of carried) {
        const job = part[i];
        const shown = live.get(holdNo) ?? { count: 0, tasks: new Set<string>() };
        shown.count += job?.arrayTasks ?? 1;
        if (job && job.task !== '') shown.tasks.add(job.task);
        live.set(holdNo, shown);
      }
    }
    return live;
  }

  async function toldOf(holdNos: readonly bigint[]) {
    const rows =
      holdNos.length === 0
        ? []
        : await ask(
            () => sql<{ holdNo: bigint; ended: string[]; isOver: boolean; resized: number | null }[]>`
              select hold_no as "holdNo", ended, is_over as "isOver", resized
              from ledger.tasks_told(${holdNos.map(String)}::bigint[])`,
          );
    return new Map(rows.map(({ holdNo, ...told }) => [holdNo, told]));
  }

  async function settleUnseen(
    listing: QueueListing,
    unseen: readonly UnseenRow[],
    caller: Caller,
    askAccounting: AskAccounting | undefined,
  ): Promise<{ deeds: QueueDeed[]; recorded: number }> {
    const deeds: QueueDeed[] = [];
    let recorded = 0;
    let facts = await loadManyFacts(
      sql,
      unseen.map(({ holdNo }) => holdNo),
    );
    const jobIds = [...new Set([...facts.values()].flatMap(({ jobs }) => jobs.map(({ jobId }) => jobId)))];
    if (jobIds.length > 0 && askAccounting) {
      // Its record may be older than any look, or have come late: the last question before money moves.
      const report = await accounted(listing.cluster, await askAccounting(jobIds), caller);
      deeds.push(...report.deeds);
      recorded += report.recorded;
      facts = await loadManyFacts(
        sql,
        unseen.map(({ holdNo }) => holdNo),
      );
    }
    for (const { holdNo, holdId, tasksLeft, seenUntil } of unseen) {
      const own = facts.get(holdNo);
      if (!own) continue;
      const strand = readStrand(own.holds, own.events, 0);
      if (strand.isOver) continue;
      const until = seenUntil === null ? undefined : epochMicros(seenUntil);
      const [task] = strand.tasks;
      const fate =
        tasksLeft > 0
          ? { record: task === undefined ? [] : [reductionOf(strand, task.jobId, tasksLeft, until)] }
          : fateOf(own, until);
      if ('giveBack' in fate) {
        for (const hold of own.holds.filter(({ status }) => status === 'open')) {
          if (!(await releaseUnheard(hold.holdId, fate.giveBack, caller, own.events.length))) continue;
          deeds.push({
            did: 'given_back',
            holdId: hold.holdId,
            ...given({ jobId: task?.jobId }),
            detail: fate.giveBack,
          });
        }
        continue;
      }
      const events = fate.record.map((event) => lostEvent(event, listing.cluster, own));
      const receipts = await recordEvents(events, caller);
      recorded += receipts.filter(({ status }) => status === 'recorded').length;
      for (const { type, jobId, task: of, arrayTasks } of fate.record) {
        deeds.push({
          did: type === 'resized' ? 'reduced' : 'lost',
          jobId: joinJobId({ jobId, task: of }),
          holdId,
          ...given({ detail: arrayTasks === undefined ? undefined : `to ${arrayTasks} tasks` }),
        });
      }
    }
    return { deeds, recorded };
  }

  /** Whether it was given back: not if more was heard of its jobs than the events that its fate was read from. */
  async function releaseUnheard(holdId: TransactionId, reason: string, { principal }: Caller, events: number) {
    const [row] = await ask(
      () => sql<{ released: boolean }[]>`
        select ledger.release_unheard(${holdId}, ${reason}, ${principal}, ${events}::int) as released`,
    );
    return row?.released === true;
  }

  async function accounted(name: string, jobs: readonly QueuedJob[], caller: Caller): Promise<HistoryReport> {
    const cluster = await clusterOf(name);
    const news = await newsOf(cluster, name, jobs, EPOCH);
    const { deeds, recorded } = await record(cluster, news, caller);
    return {
      cluster: name,
      jobs: jobs.length,
      recorded,
      ended: deeds.filter(({ did }) => did === 'ended').length,
      adopted: deeds.filter(({ did }) => did === 'adopted').length,
      deeds: deeds.slice(0, DEEDS_TOLD),
    };
  }

  return {
    async listed(listing, caller, askAccounting) {
      // First of all: what is placed while the news are recorded is not missed.
      const listedAt = await momentOf(listing.ageSeconds);
      const cluster = await clusterOf(listing.cluster);
      const news = await newsOf(cluster, listing.cluster, listing.jobs, listing.takenAt);
      const { deeds, recorded } = await record(cluster, news, caller);
      const report: QueueReport = {
        cluster: listing.cluster,
        jobs: listing.jobs.length,
        recorded,
        bound: deeds.filter(({ did }) => did === 'bound').length,
        adopted: deeds.filter(({ did }) => did === 'adopted').length,
        givenBack: 0,
        reduced: 0,
        deeds,
      };
      const keeps = whyKeeps(listing);
      if (keeps !== undefined) {
        await ask(() => sql`select ledger.note_silence(${cluster.clusterNo}::int, ${keeps}, false)`);
        return { ...report, keeps, deeds: deeds.slice(0, DEEDS_TOLD) };
      }
      const missing = JSON.stringify(await missingIn(cluster, listing.jobs, listedAt));
      const unseen = await ask(
        () => sql<UnseenRow[]>`
          select hold_no as "holdNo", hold_id as "holdId", tasks_left as "tasksLeft", seen_until as "seenUntil"
          from ledger.note_listing(${cluster.clusterNo}::int, ${missing}::text::jsonb, ${listing.jobs.length}::int,
            ${listedAt}, ${listing.takenAt}, ${graceSeconds}::int)`,
      );
      const settled = unseen.length === 0 ? undefined : await settleUnseen(listing, unseen, caller, askAccounting);
      const all = [...deeds, ...(settled?.deeds ?? [])];
      return {
        ...report,
        recorded: recorded + (settled?.recorded ?? 0),
        givenBack: all.filter(({ did }) => did === 'given_back').length,
        reduced: all.filter(({ did }) => did === 'reduced').length,
        deeds: all.slice(0, DEEDS_TOLD),
      };
    },

    accounted,

    async heard(name) {
      const { clusterNo } = await clusterOf(name);
      await ask(() => sql`select ledger.note_accounting(${clusterNo}::int)`);
    },

    async heardPart(name, { isLast, fault = null }) {
      const { clusterNo } = await clusterOf(name);
      await ask(() => sql`select ledger.note_accounting_part(${clusterNo}::int, ${isLast}, ${fault})`);
    },

    async unreachable(name, failure, part) {
      const { clusterNo } = await clusterOf(name);
      await ask(() => sql`select ledger.note_silence(${clusterNo}::int, ${failure}, ${part === 'accounting'})`);
    },

    looks: () => readLooks(sql),
    question: (holdId) => readQuestion(sql, holdId),
    answer: answerOf,
  };
}

/** Only the end of a run is asked of the accounting; nothing of it is by the clock of a listing. */
const EPOCH: Instant = '1970-01-01T00:00:00Z';

const DEED_OF: Partial<Record<JobEvent['type'], QueueDeed['did']>> = {
  suspended: 'suspended',
  resumed: 'resumed',
  ended: 'ended',
  cancelled: 'ended',
  requeued: 'ended',
  node_failed: 'ended',
  preempted: 'ended',
};

function whyKeeps({ isWhole, ageSeconds }: QueueListing): string | undefined {
  if (!isWhole) return 'a part of the listing could not be read, so nothing is missed by it';
  if (ageSeconds > STALE_SECONDS) return `the listing is ${Math.trunc(ageSeconds)} s old, so nothing is missed by it`;
  return undefined;
}

/** It is over, had no hold and never ran: there is nothing to follow. */
const isNothing = ({ phase, startedAt }: QueuedJob, { isKnown, holdId }: KnownJob): boolean =>
  !isKnown && holdId === undefined && phase === 'ended' && startedAt === undefined;

/**
 * A job that nobody stamped is adopted only if it should have been asked about: not one that was submitted before anybody
 * looked, nor an exempt one, nor on a cluster that is only watched, where nothing is charged that was not asked about.
 */
const isOurs = (cluster: NumberedCluster, job: QueuedJob, { isKnown }: KnownJob, begunAt: Instant): boolean =>
  isKnown ||
  job.stamp !== undefined ||
  (compareInstants(job.submittedAt, begunAt) >= 0 &&
    cluster.enforcement === 'enforce' &&
    exemptionOf(cluster, { ...given({ user: job.user, account: job.account }), partitions: namedPartitions(job) }) ===
      undefined);

const namedPartitions = ({ partition }: QueuedJob): string[] => (partition === undefined ? [] : [partition]);

const microsOf = (at: Instant | undefined): number | null => (at === undefined ? null : Number(epochMicros(at)));

const rowOf = (job: QueuedJob) => ({
  job_id: job.jobId,
  task: job.task,
  key: job.stamp ?? null,
  submitted: microsOf(job.submittedAt),
  started: microsOf(job.startedAt),
  phase: job.phase,
  evidence: evidenceOf(job),
});

/** That the end of a run is known is not enough where its record says that its user gets something back. */
function evidenceOf({ phase, startedAt, endState, cancelledBy, uid }: QueuedJob): string | null {
  if (phase !== 'ended' || startedAt === undefined) return null;
  if (refundReasonOf(given({ endState, cancelledBy, uid })) === undefined) return null;
  return `${microsOf(startedAt)}/${endState ?? ''}/${cancelledBy ?? ''}`;
}

const knownOf = ({ holdId, pauses, ...known }: KnownRow): KnownJob => ({
  ...known,
  pauses: (pauses ?? []).map(([type, at]) => ({ type, at: instantOfMicros(BigInt(at)) })),
  ...given({ holdId: holdId ?? undefined }),
});

/** The tasks of an array tell of its submission once. */
function onceAJob(news: News[]): News[] {
  const told = new Set<string>();
  return news.map((each) => ({
    ...each,
    events: each.events.filter(({ type, jobId, submittedAt }) => {
      if (type !== 'submitted') return true;
      const job = `${jobId} ${submittedAt}`;
      return !told.has(job) && told.add(job);
    }),
  }));
}

const onceEach = (deeds: QueueDeed[]): QueueDeed[] => [
  ...new Map(deeds.map((deed) => [`${deed.did} ${deed.jobId} ${deed.holdId} ${deed.detail}`, deed])).values(),
];

function lostEvent(
  { holdNo, jobId, task, ...event }: LostEvent,
  cluster: string,
  facts: { holds: { holdNo: bigint; holdId: string }[]; events: { jobId: string; submittedAt?: bigint }[] },
): JobEvent {
  const submittedAt = facts.events.find(
    (known) => known.jobId === jobId && known.submittedAt !== undefined,
  )?.submittedAt;
  return {
    ...event,
    cluster,
    jobId,
    ...(task === '' ? {} : { task }),
    ...given({
      holdId: facts.holds.find((hold) => hold.holdNo === holdNo)?.holdId,
      submittedAt: submittedAt === undefined ? undefined : instantOfMicros(submittedAt),
    }),
    raw: { told_by: 'the queue', why: 'in no listing any more, and the accounting knows no end of it' },
  };
}

// Unstamped jobs ------------------------------------------------------------------------------------------------------------

/** Those for which any hold is free. One with a key is another job's, which is stamped with it. */
async function candidates(sql: Sql, { clusterNo }: NumberedCluster, news: readonly News[]): Promise<News[]> {
  const rows = JSON.stringify(news.map(({ job }, i) => ({ i, ...namesOf(job) })));
  const found = await ask(
    () => sql<{ i: number }[]>`
      select r.i
      from jsonb_to_recordset(${rows}::text::jsonb) as r (
        i int, account text, partition text, "user" text, submitted timestamptz)
      where exists (
        select from ledger.open_candidates(${clusterNo}::int, r.account, r.partition, r."user", r.submitted, null) c
        join ledger.decisions d on d.decision_no = c.hold_no and d.key is null)
      order by r.i`,
  );
  return found.flatMap(({ i }) => news[i] ?? []);
}

/** Among equal holds any will do; of unequal ones none is taken. */
async function candidateOf(sql: Sql, { clusterNo }: NumberedCluster, job: QueuedJob): Promise<TransactionId[]> {
  const { account = null, partition = null, user = null, submitted } = namesOf(job);
  const found = await ask(
    () => sql<{ holdId: TransactionId; shapes: bigint }[]>`
      select min(hold_id) as "holdId", count(distinct shape) as shapes
      from ledger.open_candidates(${clusterNo}::int, ${account}, ${partition}, ${user}, ${submitted}, null) c
      join ledger.decisions d on d.decision_no = c.hold_no and d.key is null`,
  );
  return found.flatMap(({ holdId, shapes }) => (shapes === 1n ? [holdId] : []));
}

const namesOf = ({ account, partition, user, submittedAt }: QueuedJob) => ({
  ...given({ account, partition, user }),
  submitted: submittedAt,
});

async function lateOf(sql: Sql, receipts: readonly EventReceipt[]): Promise<Set<string>> {
  const holdIds = [...new Set(receipts.flatMap(({ holdId }) => holdId ?? []))];
  if (holdIds.length === 0) return new Set();
  const rows = await ask(
    () => sql<{ holdId: string }[]>`
      select hold_id as "holdId" from ledger.holds where late and hold_id = any (${holdIds}::text[])`,
  );
  return new Set(rows.map(({ holdId }) => holdId));
}

// One job ---------------------------------------------------------------------------------------------------------------------

async function readQuestion(sql: Sql, holdId: string): Promise<JobQuestion> {
  const [row] = await ask(
    () => sql<
      {
        cluster: string;
        key: string | null;
        placedAt: Instant;
        late: boolean;
        jobs: { jobId: string; submittedAt: number | null }[];
      }[]
    >`
      select c.name as cluster, d.key, h.late,
        h.effective_at - greatest(interval '0', case when not h.late then l.listed_at - l.taken_at end) as "placedAt",
        coalesce((
          select jsonb_agg(jsonb_build_object('jobId', j.job_id, 'submittedAt', ledger.epoch_micros(j.submitted_at)) order by j.job_no)
          from ledger.jobs j where j.hold_no = h.hold_no), '[]'::jsonb) as jobs
      from ledger.holds h
      join ledger.clusters c on c.cluster_no = h.cluster_no
      left join ledger.scheduler_looks l on l.cluster_no = h.cluster_no
      left join ledger.decisions d on d.decision_no = coalesce(h.group_no, h.hold_no)
      where h.hold_id = ${holdId}`,
  );
  if (!row) throw new Fault('hold_not_found', `There is no hold ${holdId}.`, { facts: { hold_id: holdId } });
  return {
    cluster: row.cluster,
    placedAt: row.placedAt,
    late: row.late,
    jobs: row.jobs.map(({ jobId, submittedAt }) => ({
      jobId,
      ...given({ submittedAt: submittedAt === null ? undefined : instantOfMicros(BigInt(submittedAt)) }),
    })),
    ...given({ key: row.key ?? undefined }),
  };
}

/**
 * Ids recycle: a row is about the hold if it carries its stamp, or is of a job that was bound to it. Where nobody knows when
 * that job was submitted, it is any of its id but those that were submitted before the hold, or were over by then.
 */
function answerOf({ cluster, key, placedAt, late, jobs }: JobQuestion, rows: readonly QueuedJob[]): JobEvent[] {
  const earliest = epochMicros(placedAt) - CLOCKS_APART_MICROS;
  const isBefore = ({ submittedAt, endedAt }: QueuedJob): boolean => {
    const last = late ? endedAt : submittedAt;
    return last !== undefined && epochMicros(last) < earliest;
  };
  const isIts = (row: QueuedJob): boolean =>
    (key !== undefined && row.stamp === key) ||
    jobs.some(
      ({ jobId, submittedAt }) =>
        jobId === row.jobId &&
        (submittedAt === undefined
          ? row.stamp === undefined && !isBefore(row)
          : compareInstants(submittedAt, row.submittedAt) === 0),
    );
  return rows
    .filter(isIts)
    .flatMap((job) => queueNews(job, job.endedAt ?? job.startedAt ?? job.submittedAt))
    .map((event) => ({ ...event, cluster, ...given({ holdKey: key }) }));
}

async function readLooks(sql: Sql): Promise<SchedulerLook[]> {
  const rows = await ask(
    () => sql<
      {
        cluster: string;
        timeZone: string;
        listedAt: Instant | null;
        listedAgeSeconds: number | null;
        listedJobs: number | null;
        accountedAt: Instant | null;
        accountedAgeSeconds: number | null;
        failedAt: Instant | null;
        failure: string | null;
        unseen: number;
      }[]
    >`
      select c.name as cluster, c.time_zone as "timeZone", l.listed_at as "listedAt", l.listed_jobs as "listedJobs",
        extract(epoch from clock_timestamp() - l.listed_at)::float8 as "listedAgeSeconds",
        l.accounted_at as "accountedAt",
        extract(epoch from clock_timestamp() - l.accounted_at)::float8 as "accountedAgeSeconds",
        l.failed_at as "failedAt", l.failure,
        (select count(*)::int from ledger.unseen_holds u where u.cluster_no = l.cluster_no) as unseen
      from ledger.scheduler_looks l join ledger.clusters c using (cluster_no)
      order by c.name`,
  );
  return rows.map(({ cluster, timeZone, unseen, ...row }) => ({
    cluster,
    timeZone,
    unseen,
    ...given({
      listedAt: row.listedAt ?? undefined,
      listedAgeSeconds: row.listedAgeSeconds ?? undefined,
      listedJobs: row.listedJobs ?? undefined,
      accountedAt: row.accountedAt ?? undefined,
      accountedAgeSeconds: row.accountedAgeSeconds ?? undefined,
      failedAt: row.failedAt ?? undefined,
      failure: row.failure ?? undefined,
    }),
  }));
}
