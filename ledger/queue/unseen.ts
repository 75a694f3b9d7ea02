/**
 * Holds of which no listing has shown anything for long enough. They are given back, or their stories are told of an end
 * that nobody saw (domain/unseen.ts).
 */
import { given } from '../../domain/given';
import type { TransactionId } from '../../domain/ids';
import { joinJobId } from '../../domain/slurm-job';
import { readStrand } from '../../domain/tasks';
import { epochMicros, instantOfMicros, type Instant } from '../../domain/time';
import { fateOf, reductionOf, type LostEvent } from '../../domain/unseen';
import type { Sql } from '../../platform/postgres';
import type { Caller, JobEvent, QueueDeed } from '../contract';
import { ask } from '../errors';
import { loadManyFacts, type LedgerFacts } from '../story-facts';
import type { Recorded, RecordDeps } from './record';

export interface UnseenHold {
  holdNo: bigint;
  holdId: TransactionId;
  /** Of an array; 0: no job carries the hold. */
  tasksLeft: number;
  /** The last listing in which it was whole. */
  seenUntil: Instant | null;
  /** Held for a job that was likely to come, and none has taken it. */
  isSpare: boolean;
}

/** Asks the accounting of jobs by their ids, and records what it says. */
export type HearAccounting = (jobIds: readonly string[]) => Promise<Recorded>;

export async function settleUnseen(
  deps: RecordDeps,
  unseen: readonly UnseenHold[],
  caller: Caller,
  hearAccounting: HearAccounting | undefined,
): Promise<Recorded> {
  const readFacts = () =>
    loadManyFacts(
      deps.sql,
      unseen.map(({ holdNo }) => holdNo),
    );
  const settled: Recorded = { deeds: [], recorded: 0 };
  const add = ({ deeds, recorded }: Recorded) => {
    settled.deeds.push(...deeds);
    settled.recorded += recorded;
  };
  let facts = await readFacts();
  const jobIds = [...new Set([...facts.values()].flatMap(({ jobs }) => jobs.map(({ jobId }) => jobId)))];
  if (jobIds.length > 0 && hearAccounting) {
    // Its record may be older than any look, or have come late: the last question before money moves.
    add(await hearAccounting(jobIds));
    facts = await readFacts();
  }
  for (const hold of unseen) {
    const own = facts.get(hold.holdNo);
    if (own) add(await settleOne(deps, hold, own, caller));
  }
  return settled;
}

async function settleOne(
  deps: RecordDeps,
  { holdId, tasksLeft, seenUntil, isSpare }: UnseenHold,
  facts: LedgerFacts,
  caller: Caller,
): Promise<Recorded> {
  const strand = readStrand(facts.holds, facts.events, 0);
  if (strand.isOver) return { deeds: [], recorded: 0 };
  const until = seenUntil === null ? undefined : epochMicros(seenUntil);
  const [task] = strand.tasks;
  if (tasksLeft > 0) {
    const record = task === undefined ? [] : [reductionOf(strand, task.jobId, tasksLeft, until)];
    return recordLost(deps, holdId, facts, record, caller);
  }
  if (isSpare) return giveBack(deps.sql, facts, SPARE_UNUSED, undefined, caller);
  const fate = fateOf(facts, until);
  if ('record' in fate) return recordLost(deps, holdId, facts, fate.record, caller);
  return giveBack(deps.sql, facts, fate.giveBack, task?.jobId, caller);
}

const SPARE_UNUSED = 'Held beforehand for another job like the one before it, and none came';

async function giveBack(
  sql: Sql,
  { holds, events }: LedgerFacts,
  reason: string,
  jobId: string | undefined,
  caller: Caller,
): Promise<Recorded> {
  const deeds: QueueDeed[] = [];
  for (const { holdId } of holds.filter(({ status }) => status === 'open')) {
    if (!(await releaseUnheard(sql, holdId, reason, caller, events.length))) continue;
    deeds.push({ did: 'given_back', holdId, ...given({ jobId }), detail: reason });
  }
  return { deeds, recorded: 0 };
}

async function recordLost(
  { recordEvents }: RecordDeps,
  holdId: TransactionId,
  facts: LedgerFacts,
  lost: readonly LostEvent[],
  caller: Caller,
): Promise<Recorded> {
  const receipts = await recordEvents(
    lost.map((event) => lostEvent(event, facts)),
    caller,
  );
  const deeds = lost.map(({ type, jobId, task, arrayTasks }): QueueDeed => ({
    did: type === 'resized' ? 'reduced' : 'lost',
    jobId: joinJobId({ jobId, task }),
    holdId,
    ...given({ detail: arrayTasks === undefined ? undefined : `to ${arrayTasks} tasks` }),
  }));
  return { deeds, recorded: receipts.filter(({ status }) => status === 'recorded').length };
}

/** Whether it was given back: not if more was heard of its jobs than the events that its fate was read from. */
async function releaseUnheard(
  sql: Sql,
  holdId: TransactionId,
  reason: string,
  { principal }: Caller,
  events: number,
): Promise<boolean> {
  const [row] = await ask(
    () => sql<{ released: boolean }[]>`
        select ledger.release_unheard(${holdId}, ${reason}, ${principal}, ${events}::int) as released`,
  );
  return row?.released === true;
}

function lostEvent({ holdNo, jobId, task, ...event }: LostEvent, facts: LedgerFacts): JobEvent {
  const submittedAt = facts.events.find(
    (known) => known.jobId === jobId && known.submittedAt !== undefined,
  )?.submittedAt;
  return {
    ...event,
    // The accounting may have been late only.
    ...(event.type === 'ended' ? { atArrival: true } : {}),
    cluster: facts.cluster.name,
    jobId,
    ...(task === '' ? {} : { task }),
    ...given({
      holdId: facts.holds.find((hold) => hold.holdNo === holdNo)?.holdId,
      submittedAt: submittedAt === undefined ? undefined : instantOfMicros(submittedAt),
    }),
    raw: { told_by: 'the queue', why: 'in no listing any more, and the accounting knows no end of it' },
  };
}
