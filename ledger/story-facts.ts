/** Reads what stories are told from, as ledger.story_facts gathers it, and gives it its types. */
import { Fault } from '../domain/faults';
import type { TransactionId } from '../domain/ids';
import type { ChargeSource, EventFacts, JobEventType, JobRequest, JobState, ResizeCause } from '../domain/job';
import { toMicro, type Micro } from '../domain/money';
import type { RequeuePolicy } from '../domain/policy';
import type { Refusal } from '../domain/refusal';
import type { RunEvent } from '../domain/runs';
import type { StoryCharge } from '../domain/run-charges';
import type { StoryFacts } from '../domain/story';
import type { StoryHold } from '../domain/tasks';
import type { Sql, Tx } from '../platform/postgres';
import { ask } from './errors';
import { microOf } from './rows';

/** A story's facts, and what only the ledger needs besides. */
export interface LedgerFacts extends StoryFacts {
  leaderNo: bigint;
  holds: LedgerHold[];
  events: RunEvent[];
  charges: LedgerCharge[];
  jobs: { jobNo: bigint; jobId: string; holdNo: bigint; state: JobState; quarantined: boolean; partition?: string }[];
  catalogVersion: bigint;
  timeZone: string;
  account: {
    name: string;
    unit: string;
    onRequeueShortfall: RequeuePolicy;
    holdMultiplier?: string;
  };
  /** What ledger.stories remembers; undefined before the story was first told. */
  told?: { generation: number; dueAt?: bigint; shortfall?: Shortfall };
}

export interface LedgerHold extends StoryHold {
  holdId: TransactionId;
  partition: string;
  user?: string;
  placed: Micro;
  held: Micro;
  charged: Micro;
  released: Micro;
  /** Why its runs are metered and cost nothing. */
  uncharged?: 'shadow' | 'exempt';
  request?: JobRequest;
}

export interface LedgerCharge extends StoryCharge {
  chargeNo: bigint;
  amount: Micro;
  refunded: Micro;
  source: ChargeSource;
  endedAt?: bigint;
}

/** Why a hold could not be made larger, as act_on_story wrote it down. */
export interface Shortfall {
  why: ResizeCause;
  policy: RequeuePolicy;
  requested: string;
  refusal: Refusal;
}

/** The JSON of ledger.story_facts. Our own function writes it, so its shape is taken as given. */
export interface RawFacts {
  now: number;
  catalogVersion: string;
  cluster: StoryFacts['cluster'] & { timeZone: string };
  account: {
    name: string;
    unit: string;
    onRequeueShortfall: RequeuePolicy;
    holdMultiplier: string | null;
  };
  request: { components?: JobRequest[]; wallSeconds?: number[] } | null;
  story: { generation: number; handledThrough: string; dueAt: number | null; shortfall: Shortfall | null } | null;
  holds: {
    holdNo: string;
    holdId: TransactionId;
    partition: string;
    user: string | null;
    status: StoryHold['status'];
    placed: string;
    held: string;
    charged: string;
    released: string;
    late: boolean;
    closedByHand: boolean;
    uncharged: 'shadow' | 'exempt' | null;
    overdueAt: number | null;
    effectiveAt: number;
    placedAt: number;
    costSource: StoryHold['costSource'];
  }[];
  jobs:
    | {
        jobNo: string;
        jobId: string;
        holdNo: string;
        quarantined: boolean;
        state: JobState;
        submittedAt: number | null;
        partition: string | null;
      }[]
    | null;
  events:
    | (EventFacts & {
        eventNo: string;
        jobNo: string;
        type: JobEventType;
        task: string;
        at: number;
        recordedAt: number;
        startedAt?: number;
        final?: boolean;
      })[]
    | null;
  charges:
    | {
        chargeNo: string;
        runKey: string;
        holdNo: string;
        source: LedgerCharge['source'];
        amount: string;
        adjusted: string;
        refunded: string;
        correctedByReport: boolean;
        metered: boolean;
        startedAt: number | null;
        endedAt: number | null;
      }[]
    | null;
}

/** The facts of the story that a hold belongs to. `hold_not_found`. */
export async function loadFacts(sql: Sql | Tx, holdId: string): Promise<LedgerFacts> {
  const [row] = await ask(
    () => sql<{ hold_no: bigint; facts: RawFacts }[]>`
      select hold_no, facts
      from ledger.story_facts(array(select h.hold_no from ledger.holds h where h.hold_id = ${holdId}))`,
  );
  if (!row) throw new Fault('hold_not_found', `There is no hold ${holdId}.`, { facts: { hold_id: holdId } });
  return readFacts(row.hold_no, row.facts);
}

/** The facts of many stories, by their leader's number. */
export async function loadManyFacts(sql: Sql | Tx, holdNos: readonly bigint[]): Promise<Map<bigint, LedgerFacts>> {
  if (holdNos.length === 0) return new Map();
  const rows = await ask(
    () => sql<{ hold_no: bigint; facts: RawFacts }[]>`
      select hold_no, facts from ledger.story_facts(${holdNos.map(String)}::bigint[])`,
  );
  return new Map(rows.map(({ hold_no, facts }) => [hold_no, readFacts(hold_no, facts)]));
}

export function readFacts(leaderNo: bigint, raw: RawFacts): LedgerFacts {
  const jobs = (raw.jobs ?? []).map(({ jobNo, holdNo, jobId, state, quarantined, submittedAt, partition }) => ({
    jobNo: BigInt(jobNo),
    holdNo: BigInt(holdNo),
    jobId,
    state,
    quarantined,
    submittedAt: microsOf(submittedAt),
    ...(partition === null ? {} : { partition }),
  }));
  const jobByNo = new Map(jobs.map((job) => [job.jobNo, job]));
  const partition = jobs.find((job) => job.partition !== undefined)?.partition;
  const components = raw.request?.components ?? [];
  const wallSeconds = raw.request?.wallSeconds ?? [];
  const { timeZone, ...cluster } = raw.cluster;
  return {
    leaderNo,
    now: BigInt(raw.now),
    cluster,
    timeZone,
    catalogVersion: BigInt(raw.catalogVersion),
    account: {
      name: raw.account.name,
      unit: raw.account.unit,
      onRequeueShortfall: raw.account.onRequeueShortfall,
      ...(raw.account.holdMultiplier === null ? {} : { holdMultiplier: raw.account.holdMultiplier }),
    },
    holds: raw.holds.map((hold, index) => {
      const request = components[index];
      const wall = wallSeconds[index] || request?.wallSeconds;
      return {
        holdNo: BigInt(hold.holdNo),
        holdId: hold.holdId,
        partition: hold.partition === '' ? (partition ?? '') : hold.partition,
        ...(hold.user === null ? {} : { user: hold.user }),
        status: hold.status,
        placed: microOf(hold.placed),
        held: microOf(hold.held),
        charged: microOf(hold.charged),
        released: microOf(hold.released),
        late: hold.late,
        closedByHand: hold.closedByHand,
        ...(hold.uncharged === null ? {} : { uncharged: hold.uncharged }),
        ...(hold.overdueAt === null ? {} : { overdueAt: BigInt(hold.overdueAt) }),
        effectiveAt: BigInt(hold.effectiveAt),
        placedAt: BigInt(hold.placedAt),
        costSource: hold.costSource,
        arrayTasks: request?.arrayTasks ?? 1,
        ...(request ? { request, resources: request.resources } : {}),
        ...(wall ? { wallSeconds: wall } : {}),
      };
    }),
    jobs,
    events: (raw.events ?? []).map(({ eventNo, jobNo, at, recordedAt, startedAt, ...event }) => {
      const job = jobByNo.get(BigInt(jobNo));
      if (!job) throw new Error(`event ${eventNo} is of no job of its hold`);
      return {
        ...event,
        eventNo: BigInt(eventNo),
        jobId: job.jobId,
        holdNo: job.holdNo,
        at: BigInt(at),
        recordedAt: BigInt(recordedAt),
        ...(startedAt === undefined ? {} : { startedAt: BigInt(startedAt) }),
        ...(job.submittedAt === undefined ? {} : { submittedAt: job.submittedAt }),
      };
    }),
    charges: (raw.charges ?? []).map((charge) => ({
      chargeNo: BigInt(charge.chargeNo),
      runKey: charge.runKey,
      holdNo: BigInt(charge.holdNo),
      source: charge.source,
      isReported: charge.source === 'reported' || charge.correctedByReport,
      isMetered: charge.metered,
      amount: toMicro(BigInt(charge.amount) + BigInt(charge.adjusted)),
      refunded: microOf(charge.refunded),
      ...(charge.startedAt === null ? {} : { startedAt: BigInt(charge.startedAt) }),
      ...(charge.endedAt === null ? {} : { endedAt: BigInt(charge.endedAt) }),
    })),
    handledThrough: BigInt(raw.story?.handledThrough ?? '0'),
    ...(raw.story
      ? {
          told: {
            generation: raw.story.generation,
            ...(raw.story.dueAt === null ? {} : { dueAt: BigInt(raw.story.dueAt) }),
            ...(raw.story.shortfall === null ? {} : { shortfall: raw.story.shortfall }),
          },
        }
      : {}),
  };
}
const microsOf = (micros: number | null): bigint | undefined => (micros === null ? undefined : BigInt(micros));
