/** What schedulers say about jobs, on its way into the ledger. The binding to holds is in migrations/functions/record_events.sql. */
import { createHash } from 'node:crypto';
import { monotonicFactory } from 'ulid';
import { Fault } from '../domain/faults';
import type { TransactionId } from '../domain/ids';
import { parseReportedCost, renderAmount, ZERO } from '../domain/money';
import { standingCost } from '../domain/story';
import { epochMicros, readTimeIn } from '../domain/time';
import type { Sql } from '../platform/postgres';
import type { Caller, EventReceipt, JobEvent, PriceBook } from './contract';
import { ask } from './errors';
import type { NumberedCluster, PriceBooks } from './price-book';
import { loadFacts, type LedgerFacts } from './story-facts';

/** More in one transaction only makes others wait for its locks. */
const CHUNK = 500;

const nextUlid = monotonicFactory();

/** What is kept of an event besides its type and time; `final` marks a cost that was reconciled by hand. */
export interface EventToRecord extends JobEvent {
  final?: boolean;
  /** Takes the place of the event's content where only one of its kind may ever be recorded. */
  once?: string;
}

interface RawReceipt {
  status: EventReceipt['status'];
  holdId?: TransactionId;
  detail?: string;
  /** The event's number, where it says another cost beside those that were reported before. */
  rivalNo?: string;
}

export type RecordEvents = (events: readonly EventToRecord[], caller: Caller) => Promise<EventReceipt[]>;

export function openEvents({ sql, prices }: { sql: Sql; prices: PriceBooks }): RecordEvents {
  return async function recordEvents(events, caller) {
    const rows = await eventRows(events, prices);
    const receipts: EventReceipt[] = [];
    for (let start = 0; start < events.length; start += CHUNK) {
      const chunk = rows.slice(start, start + CHUNK);
      const batch = JSON.stringify(chunk);
      const [row] = await ask(
        () => sql<{ receipts: RawReceipt[] }[]>`
          select ledger.record_events(${batch}::text::jsonb, ${caller.principal}, ${caller.principal}) as receipts`,
      );
      const stories = new Map<string, LedgerFacts>();
      for (const [i, { facts }] of chunk.entries()) {
        const [event, receipt] = [events[start + i], row?.receipts[i]];
        if (!event || !receipt) throw new Error('ledger.record_events gave no receipt');
        const { cluster, jobId } = event;
        const { rivalNo: _, detail, ...known } = receipt;
        const details = [detail, await ignoredCost(sql, event, receipt, stories)].filter((text) => text !== undefined);
        receipts.push({
          cluster,
          jobId,
          ...known,
          ...(details.length === 0 ? {} : { detail: details.join('; ') }),
          ...(facts.note === undefined ? {} : { note: facts.note }),
        });
      }
    }
    return receipts;
  };
}

/** A second cost that differs is kept but does not count (rulings 13), and whoever sent it must not think that it does. */
async function ignoredCost(
  sql: Sql,
  { cost }: EventToRecord,
  { rivalNo, holdId }: RawReceipt,
  stories: Map<string, LedgerFacts>,
): Promise<string | undefined> {
  if (cost === undefined || rivalNo === undefined || holdId === undefined) return undefined;
  const facts = stories.get(holdId) ?? (await loadFacts(sql, holdId));
  stories.set(holdId, facts);
  const standing = standingCost(facts, BigInt(rivalNo));
  if (!standing) return undefined;
  const [stands, said] = [parseReportedCost(standing.numeral), parseReportedCost(cost)].map(renderAmount);
  if (stands === said) return undefined;
  return `it changes nothing: the cost stands at ${stands} ${facts.account.unit}, as reported; send ${said} with "correction": true to change it`;
}

/** Events as ledger.record_events reads them. `malformed_request`, `cluster_not_found`. */
export async function eventRows(events: readonly EventToRecord[], prices: PriceBooks) {
  for (const [i, { cost }] of events.entries()) requireCost(cost, i);
  const clusters = await clustersOf(new Set(events.map(({ cluster }) => cluster)), prices);
  return events.map((event, i) => rowOf(event, i, clusters(event.cluster)));
}

/** What cannot be charged must not be recorded: the story of its job could never go on. */
function requireCost(cost: string | undefined, i: number): void {
  if (cost === undefined || parseReportedCost(cost) >= ZERO) return;
  throw new Fault('malformed_request', 'The cost of a run is never negative.', {
    errors: [{ pointer: `/events/${i}/cost`, detail: 'must not be negative' }],
  });
}

/** Nothing of a batch is recorded where a cluster is unknown: the sender keeps it and sends it again. */
async function clustersOf(
  names: ReadonlySet<string>,
  prices: PriceBooks,
): Promise<(name: string) => Pick<NumberedCluster, 'clusterNo' | 'timeZone'>> {
  const known = (book: PriceBook) => [...names].every((name) => book.clusters.has(name));
  let book = await prices.current();
  if (!known(book)) book = await prices.upToDate();
  const clusterOf = (name: string) => {
    const cluster = book.clusters.get(name);
    if (cluster) return cluster;
    throw new Fault('cluster_not_found', `There is no cluster "${name}"; nothing of this batch was recorded.`, {
      facts: { cluster: name },
    });
  };
  for (const name of names) clusterOf(name);
  return clusterOf;
}

function rowOf(event: EventToRecord, i: number, cluster: Pick<NumberedCluster, 'clusterNo' | 'timeZone'>) {
  const notes = new Set<string>();
  const read = (text: string): string => {
    const { at, note } = readTimeIn(text, cluster.timeZone);
    if (note !== undefined) notes.add(note);
    return at;
  };
  const at = read(event.at);
  if (event.atArrival) notes.add('nobody has said when: it is the time at which this was heard of');
  const submitted = event.submittedAt ?? (event.type === 'submitted' ? event.at : undefined);
  const submittedAt = submitted === undefined ? undefined : read(submitted);
  const startedAt = event.startedAt === undefined ? undefined : read(event.startedAt);
  const facts = {
    startedAt: startedAt === undefined ? undefined : Number(epochMicros(startedAt)),
    atArrival: event.atArrival,
    endState: event.endState,
    cancelledBy: event.cancelledBy,
    uid: event.uid,
    exitCode: event.exitCode,
    resources: event.resources,
    timeLimitSeconds: wholeSeconds(event.timeLimitSeconds),
    arrayTasks: event.arrayTasks,
    suspendedSeconds: wholeSeconds(event.suspendedSeconds),
    cost: event.cost,
    correction: event.correction,
    onlyWaiting: event.onlyWaiting,
    final: event.final,
  };
  const task = event.task ?? '';
  const content = event.once ?? JSON.stringify([event.type, task, at, facts], sortKeys);
  return {
    i,
    cluster_no: cluster.clusterNo,
    job_id: event.jobId,
    type: event.type,
    task,
    at,
    submitted_at: submittedAt,
    started_at: startedAt,
    hold_id: event.holdId,
    hold_key: event.holdKey,
    account: event.account,
    seen_account: event.seenAccount,
    user: event.user,
    partition: event.partition,
    name: event.name,
    // Not part of what makes it the same event: the same time may have been written with its zone before.
    facts: { ...facts, note: notes.size > 0 ? [...notes].join('; ') : undefined, raw: event.raw },
    fingerprint: createHash('sha256').update(content).digest('hex'),
    new_hold_id: `txn_${nextUlid()}`,
  };
}

const wholeSeconds = (seconds: number | undefined): number | undefined =>
  seconds === undefined ? undefined : Math.max(0, Math.trunc(seconds));

/** The same facts in another order are the same facts. */
const sortKeys = (_key: string, value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value;
