/**
 * ASBB's reconcile: somebody who knows what a job cost says so, and that it is over. The cost is recorded as an event, so
 * that the story is the same whoever tells it, and the story is advanced at once.
 *
 * Exactly once per run: the same cost again is answered as the first time, another one is refused unless it is said to be a
 * correction. It works also where no event ever arrived.
 */
import { createHash } from 'node:crypto';
import { Fault } from '../domain/faults';
import type { TransactionId } from '../domain/ids';
import { mostMicro, renderAmount, toMicro, ZERO, type Micro } from '../domain/money';
import { instantOfMicros } from '../domain/time';
import type { Sql } from '../platform/postgres';
import type { Advance } from './advance';
import { tellWithoutPrices } from './chapters';
import { ask } from './errors';
import type { RecordEvents } from './events';
import { loadFacts, type LedgerFacts } from './story-facts';
import type { Caller, Jobs, Reconciliation } from './types';

type Request = Parameters<Jobs['reconcile']>[0];

/** What is reconciled: a hold, and which task of its job. */
interface Target {
  holdId: TransactionId;
  cluster: string;
  jobId: string;
  task: string;
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

export function openReconcile(deps: { sql: Sql; recordEvents: RecordEvents; advance: Advance }): Jobs['reconcile'] {
  const { sql, recordEvents, advance } = deps;

  return async function reconcile(request, caller) {
    const { actualCost, correction } = request;
    const replayed = await replay(sql, caller.key, caller.bodyHash, caller);
    if (replayed) return replayed;

    const target = await findTarget(sql, request);
    const before = await loadFacts(sql, target.holdId);
    const known = reportedCost(before, target.task);
    const naturalKey = `${target.holdId}${target.task}/${renderAmount(actualCost)}`;
    if (known === actualCost || !correction) {
      const first = await replay(sql, naturalKey, hashOf(naturalKey), { principal: '' });
      if (first) return first;
    }
    if (known !== undefined && known !== actualCost && !correction) throw alreadyReconciled(known, actualCost);

    await recordEvents(
      [
        {
          type: 'cost',
          cluster: target.cluster,
          jobId: target.jobId,
          task: target.task,
          holdId: target.holdId,
          at: instantOfMicros(before.now),
          cost: request.numeral,
          correction,
          final: true,
          // A correction may go back to an earlier cost, so it is an event of its own each time it changes something.
          once: correction
            ? `correct ${naturalKey} from ${known} after ${before.handledThrough}`
            : `reconcile ${naturalKey}`,
          ...(request.metadata === undefined ? {} : { raw: request.metadata }),
        },
      ],
      caller,
    );
    // Whatever the scheduler could say: nobody gives the hold up because somebody reconciled another task of it.
    await advance(target.holdId, { scheduler: 'unreachable' }, caller.principal);

    const after = await loadFacts(sql, target.holdId);
    const settled = reportedCost(after, target.task);
    if (settled !== actualCost) throw alreadyReconciled(settled ?? ZERO, actualCost);
    const answer = answerOf(before, after, target, actualCost);
    await remember(sql, answer, [
      ...(correction ? [] : [{ principal: '', key: naturalKey, hash: hashOf(naturalKey) }]),
      ...(caller.key === undefined
        ? []
        : [{ principal: caller.principal, key: caller.key, hash: caller.bodyHash ?? hashOf('') }]),
    ]);
    return { ...answer, replayed: false };
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

function answerOf(
  before: LedgerFacts,
  after: LedgerFacts,
  target: Target,
  actualCost: Micro,
): Omit<Reconciliation, 'replayed'> {
  const sum = (amountOf: (hold: LedgerFacts['holds'][number]) => bigint) =>
    toMicro(after.holds.reduce((total, hold) => total + amountOf(hold), 0n));
  const originalHold = sum(({ placed }) => placed);
  const wasOpen = before.holds.some(({ status }) => status === 'open');
  const isOpen = after.holds.some(({ status }) => status === 'open');
  const heldBefore = toMicro(before.holds.reduce((total, { held }) => total + held, 0n));
  const wasCharged = before.charges.length > 0;
  return {
    holdId: target.holdId,
    unit: after.account.unit,
    originalHold,
    actualCharge: actualCost,
    refundAmount:
      wasCharged && !wasOpen ? mostMicro(ZERO, toMicro(originalHold - actualCost)) : sum(({ released }) => released),
    additionalCharge: mostMicro(ZERO, toMicro(actualCost - (wasOpen ? heldBefore : wasCharged ? originalHold : 0n))),
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

// Answers, kept -----------------------------------------------------------------------------------------------------------

const OPERATION = 'reconcile';

async function replay(
  sql: Sql,
  key: string | undefined,
  hash: Uint8Array | undefined,
  { principal }: Pick<Caller, 'principal'>,
): Promise<Reconciliation | undefined> {
  if (key === undefined) return undefined;
  const [row] = await ask(
    () => sql<{ isSame: boolean; answer: StoredAnswer }[]>`
      select body_hash = ${Buffer.from(hash ?? hashOf(''))} as "isSame", answer
      from ledger.commands where principal = ${principal} and operation = ${OPERATION} and key = ${key}`,
  );
  if (!row) return undefined;
  if (!row.isSame) {
    throw new Fault('key_reused', `The key "${key}" was used with another body. Use a new key for a new request.`, {
      facts: { key },
    });
  }
  const micro = (text: string) => toMicro(BigInt(text));
  const { originalHold, actualCharge, refundAmount, additionalCharge, ...rest } = row.answer;
  return {
    ...rest,
    originalHold: micro(originalHold),
    actualCharge: micro(actualCharge),
    refundAmount: micro(refundAmount),
    additionalCharge: micro(additionalCharge),
    replayed: true,
  };
}

async function remember(
  sql: Sql,
  answer: Omit<Reconciliation, 'replayed'>,
  keys: { principal: string; key: string; hash: Uint8Array }[],
): Promise<void> {
  const stored = JSON.stringify(answer, (_key, value: unknown) =>
    typeof value === 'bigint' ? value.toString() : value,
  );
  for (const { principal, key, hash } of keys) {
    await ask(
      () => sql`
        insert into ledger.commands (principal, operation, key, body_hash, answer)
        values (${principal}, ${OPERATION}, ${key}, ${Buffer.from(hash)}, ${stored}::text::jsonb)
        on conflict do nothing`,
    );
  }
}

const hashOf = (text: string): Buffer => createHash('sha256').update(text).digest();
