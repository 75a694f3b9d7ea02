/**
 * ASBB's reconcile: somebody who knows what a job cost says so, and that it is over. The cost is recorded as an event, so
 * that the story is the same whoever tells it, and the story is advanced at once.
 *
 * Exactly once per run: the same cost again is answered as the first time, another one is refused unless it is said to be a
 * correction. It works also where no event ever arrived.
 *
 * Three steps, each of which may be the last of a process: begin (the key, the row of ledger.reconciliations and the event,
 * in one transaction), let the story move the money, answer. Whoever finds something begun goes through the same steps and
 * gets the same answer; the first who writes it into the row is the one to whom it was not replayed.
 */
import { Fault } from '../domain/faults';
import type { TransactionId } from '../domain/ids';
import { mostMicro, renderAmount, toMicro, ZERO, type Micro } from '../domain/money';
import { instantOfMicros } from '../domain/time';
import type { Sql } from '../platform/postgres';
import type { Advance } from './advance';
import { tellWithoutPrices } from './chapters';
import type { Caller, Jobs, Reconciliation } from './contract';
import { ask } from './errors';
import { eventRows, type EventToRecord } from './events';
import type { PriceBooks } from './price-book';
import { microOf } from './rows';
import { loadFacts, type LedgerFacts } from './story-facts';

type Request = Parameters<Jobs['reconcile']>[0];

/** What is reconciled: a hold, and which task of its job. */
interface Target {
  holdId: TransactionId;
  cluster: string;
  jobId: string;
  task: string;
}

/** A row of ledger.reconciliations. */
interface Begun {
  reconciliationNo: bigint;
  holdId: TransactionId;
  task: string;
  cost: bigint;
  wasOpen: boolean;
  wasCharged: boolean;
  held: bigint;
  answer: StoredAnswer | null;
}

/** An answer as it is kept: amounts are millionths as text. */
interface StoredAnswer {
  holdId: TransactionId;
  unit: string;
  originalHold: string;
  actualCharge: string;
  refundAmount: string;
  additionalCharge: string;
  message: string;
}

const DONE = 'Job reconciliation completed successfully';

export function openReconcile(deps: { sql: Sql; prices: PriceBooks; advance: Advance }): Jobs['reconcile'] {
  const { sql, prices, advance } = deps;

  return async function reconcile(request, caller) {
    const { actualCost, correction } = request;
    const target = await findTarget(sql, request);
    const before = await loadFacts(sql, target.holdId);
    const known = reportedCost(before, target.task);
    const changes = known !== undefined && known !== actualCost;
    // A correction may go back to an earlier cost, so it is one of its own each time it changes something.
    const corrects =
      correction && known !== actualCost ? `${changes ? renderAmount(known) : '-'} after ${before.handledThrough}` : '';
    // Where a cost is known and another one was not meant, only the repetition of an earlier report has an answer.
    const { cluster, jobId, task, holdId } = target;
    const told = (request.events ?? []).map((event) => ({ ...event, cluster, jobId, task, holdId }));
    const events = changes && !correction ? undefined : [...told, costEvent(request, target, corrects, before)];
    const begun = await begin(sql, { target, actualCost, corrects, before, events, prices, caller });
    if (!begun) throw alreadyReconciled(known ?? ZERO, actualCost);
    if (begun.answer) {
      await requireSameJob(sql, begun.holdId, jobId);
      return { ...readAnswer(begun.answer), replayed: true };
    }

    // Whatever the scheduler could say: nobody gives the hold up because somebody reconciled another task of it.
    await advance(begun.holdId, { scheduler: 'unreachable' }, caller.principal);
    const after = await loadFacts(sql, begun.holdId);
    const settled = reportedCost(after, begun.task);
    if (settled !== begun.cost) throw alreadyReconciled(settled ?? ZERO, toMicro(begun.cost));
    return giveAnswer(sql, begun, answerOf(begun, after));
  };
}

/** Only the same job may be told that its cost is known already: that of another one would be lost. */
async function requireSameJob(sql: Sql, holdId: TransactionId, jobId: string): Promise<void> {
  const { events } = await loadFacts(sql, holdId);
  const costs = events.filter(({ type }) => type === 'cost');
  if (costs.length === 0 || costs.some((event) => event.jobId === jobId)) return;
  throw new Fault(
    'already_reconciled',
    `The hold ${holdId} was settled with the cost of job ${costs[0]?.jobId}, and not of ${jobId}; send the cost of that one with its own transaction_id, or without any.`,
    { facts: { job_id: costs[0]?.jobId, requested_job_id: jobId } },
  );
}

function costEvent(request: Request, target: Target, corrects: string, { now }: LedgerFacts): EventToRecord {
  const { numeral, actualCost, correction, metadata } = request;
  const { cluster, jobId, task, holdId } = target;
  return {
    type: 'cost',
    cluster,
    jobId,
    task,
    holdId,
    at: instantOfMicros(now),
    cost: numeral,
    correction,
    final: true,
    once: `reconcile ${holdId}${task}/${renderAmount(actualCost)}${corrects && ` instead of ${corrects}`}`,
    ...(metadata === undefined ? {} : { raw: metadata }),
  };
}

/** What has been reported for a task (or the whole job) and charged; undefined while any of its runs has no such charge. */
function reportedCost(facts: LedgerFacts, task: string): Micro | undefined {
  const runs = tellWithoutPrices(facts).runs.filter(({ run }) => task === '' || run.task === task);
  const isOneRunAtATime = new Set(runs.map(({ run }) => `${run.jobId} ${run.task}`)).size <= 1;
  const meant = isOneRunAtATime ? runs.slice(-1) : runs;
  if (meant.length === 0) return undefined;
  let sum = 0n;
  for (const { runKey } of meant) {
    const charge = facts.charges.find((candidate) => candidate.runKey === runKey);
    if (!charge?.isReported) return undefined;
    sum += charge.amount;
  }
  return toMicro(sum);
}

function answerOf({ holdId, cost, wasOpen, wasCharged, held }: Begun, after: LedgerFacts): StoredAnswer {
  const sum = (amountOf: (hold: LedgerFacts['holds'][number]) => bigint) =>
    after.holds.reduce((total, hold) => total + amountOf(hold), 0n);
  const originalHold = sum(({ placed }) => placed);
  const isOpen = after.holds.some(({ status }) => status === 'open');
  const refund =
    wasCharged && !wasOpen ? mostMicro(ZERO, toMicro(originalHold - cost)) : sum(({ released }) => released);
  const additional = mostMicro(ZERO, toMicro(cost - (wasOpen ? held : wasCharged ? originalHold : 0n)));
  return {
    holdId,
    unit: after.account.unit,
    originalHold: originalHold.toString(),
    actualCharge: cost.toString(),
    refundAmount: refund.toString(),
    additionalCharge: additional.toString(),
    message: isOpen ? `${DONE}; the rest of the hold is kept for what has not ended yet` : DONE,
  };
}

const alreadyReconciled = (known: Micro, requested: Micro): Fault =>
  new Fault(
    'already_reconciled',
    `The run was settled with a reported cost of ${renderAmount(known)}; send "correction": true to change it to ${renderAmount(requested)}.`,
    { facts: { reported: renderAmount(known), requested: renderAmount(requested) } },
  );

// Finding what is meant ---------------------------------------------------------------------------------------------------

interface HoldRow {
  holdId: TransactionId;
  cluster: string;
  jobId: string | null;
}

async function findTarget(sql: Sql, { holdId, jobId, cluster }: Request): Promise<Target> {
  if (holdId === undefined && jobId === undefined) {
    throw new Fault('malformed_request', 'Say which job: its transaction_id, or its job_id.', {
      errors: [{ pointer: '/transaction_id', detail: 'is required where there is no job_id' }],
    });
  }
  const row = holdId === undefined ? await holdOfJob(sql, jobId ?? '', cluster) : await holdById(sql, holdId);
  const named = jobId ?? row.jobId ?? row.holdId;
  if (row.jobId === null || named === row.jobId) return { ...row, jobId: named, task: '' };
  // `4711_3` is a task of the array 4711, `4711+1` a component of the heterogeneous job 4711.
  const part = new RegExp('^(.*?)(?:_(\\d+)|(\\+\\d+))$').exec(named);
  return part && part[1] === row.jobId
    ? { ...row, jobId: row.jobId, task: part[2] ?? part[3] ?? '' }
    : { ...row, jobId: named, task: '' };
}

async function holdById(sql: Sql, holdId: string): Promise<HoldRow> {
  const [row] = await ask(
    () => sql<HoldRow[]>`
      select h.hold_id as "holdId", c.name as cluster,
        coalesce(
          (select j.job_id from ledger.jobs j where j.hold_no = h.hold_no order by j.job_no desc limit 1),
          (select d.request ->> 'jobId' from ledger.decisions d where d.decision_no = coalesce(h.group_no, h.hold_no))
        ) as "jobId"
      from ledger.holds h join ledger.clusters c on c.cluster_no = h.cluster_no
      where h.hold_id = ${holdId}`,
  );
  if (row) return row;
  const [other] = await ask(() => sql`select from ledger.transactions where transaction_id = ${holdId}`);
  throw other
    ? new Fault('not_a_hold', 'Transaction is not a hold transaction', { facts: { transaction_id: holdId } })
    : new Fault('hold_not_found', `There is no hold ${holdId}.`, { facts: { transaction_id: holdId } });
}

/** The hold of the newest job of that id: an open one before a closed one, since ids recycle. */
async function holdOfJob(sql: Sql, jobId: string, cluster: string | undefined): Promise<HoldRow> {
  const ids = [jobId, jobId.replace(/[_+]\d+$/, '')];
  const [row] = await ask(
    () => sql<HoldRow[]>`
      select "holdId", cluster, "jobId" from (
        select h.hold_id as "holdId", c.name as cluster, j.job_id as "jobId", h.status, h.hold_no
        from ledger.jobs j
        join ledger.holds h on h.hold_no = j.hold_no
        join ledger.clusters c on c.cluster_no = h.cluster_no
        where j.job_id = any (${ids}) and (${cluster ?? null}::text is null or c.name = ${cluster ?? null})
        union all
        select h.hold_id, c.name, d.request ->> 'jobId', h.status, h.hold_no
        from ledger.decisions d
        join ledger.holds h on h.hold_no = d.decision_no
        join ledger.clusters c on c.cluster_no = h.cluster_no
        where d.code = 'placed' and d.request ->> 'jobId' = any (${ids})
          and (${cluster ?? null}::text is null or c.name = ${cluster ?? null})
      ) found
      order by status = 'open' desc, "jobId" = ${jobId} desc, hold_no desc
      limit 1`,
  );
  if (!row) {
    throw new Fault('hold_not_found', `No hold is known for job ${jobId}.`, { facts: { job_id: jobId } });
  }
  return row;
}

// What was begun, and its answer ------------------------------------------------------------------------------------------

interface Beginning {
  target: Target;
  actualCost: Micro;
  corrects: string;
  before: LedgerFacts;
  /** Undefined: nothing may begin. */
  events: readonly EventToRecord[] | undefined;
  prices: PriceBooks;
  caller: Caller;
}

/** What this request has begun, now or an earlier time; undefined where it may not begin and never has. `key_reused`. */
async function begin(sql: Sql, beginning: Beginning): Promise<Begun | undefined> {
  const { target, actualCost, corrects, before, prices, caller } = beginning;
  const { principal, key = null, bodyHash = null } = caller;
  const state = {
    was_open: before.holds.some(({ status }) => status === 'open'),
    was_charged: before.charges.length > 0,
    held_micro: before.holds.reduce((total, { held }) => total + held, 0n).toString(),
  };
  const events = beginning.events && JSON.stringify(await eventRows(beginning.events, prices));
  const [begun] = await ask(
    () => sql<Begun[]>`
      select r.reconciliation_no as "reconciliationNo", h.hold_id as "holdId", r.task, r.cost_micro as cost,
        r.was_open as "wasOpen", r.was_charged as "wasCharged", r.held_micro as held, r.answer
      from ledger.begin_reconciliation(${target.holdId}, ${target.task}, ${actualCost}, ${corrects},
        ${JSON.stringify(state)}::text::jsonb, ${events ?? null}::text::jsonb, ${principal}, ${key}, ${bodyHash}) r
      join ledger.holds h on h.hold_no = r.hold_no`,
  );
  return begun;
}

/** Gives the answer to whoever comes first, and what he was given to the others. */
async function giveAnswer(sql: Sql, { reconciliationNo }: Begun, own: StoredAnswer): Promise<Reconciliation> {
  const [first] = await ask(
    () => sql`
      update ledger.reconciliations set answer = ${JSON.stringify(own)}::text::jsonb
      where reconciliation_no = ${reconciliationNo} and answer is null
      returning reconciliation_no`,
  );
  if (first) return { ...readAnswer(own), replayed: false };
  const [given] = await ask(
    () => sql<{ answer: StoredAnswer }[]>`
      select answer from ledger.reconciliations where reconciliation_no = ${reconciliationNo}`,
  );
  if (!given) throw new Error(`reconciliation ${reconciliationNo} is gone`);
  return { ...readAnswer(given.answer), replayed: true };
}

function readAnswer({
  originalHold,
  actualCharge,
  refundAmount,
  additionalCharge,
  ...rest
}: StoredAnswer): Omit<Reconciliation, 'replayed'> {
  return {
    ...rest,
    originalHold: microOf(originalHold),
    actualCharge: microOf(actualCharge),
    refundAmount: microOf(refundAmount),
    additionalCharge: microOf(additionalCharge),
  };
}
