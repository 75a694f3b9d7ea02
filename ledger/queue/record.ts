/** News become events of the ledger, by the same door as what hooks tell (events.ts), and people are told what came of them. */
import { given } from '../../domain/given';
import { joinJobId } from '../../domain/slurm-job';
import type { Sql } from '../../platform/postgres';
import type { Caller, EventReceipt, JobEvent, Jobs, QueueDeed } from '../contract';
import { ask } from '../errors';
import type { NumberedCluster } from '../price-book';
import type { News } from './news';
import { freeHoldOf, withFreeHolds } from './unstamped';

export interface RecordDeps {
  sql: Sql;
  recordEvents: Jobs['recordEvents'];
}

export interface Recorded {
  /** What people are told of. */
  deeds: QueueDeed[];
  /** Events that nobody had told. */
  recorded: number;
}

export async function recordNews(
  deps: RecordDeps,
  cluster: NumberedCluster,
  news: readonly News[],
  caller: Caller,
): Promise<Recorded> {
  const receipts = (await receiptsOf(deps, cluster, news, caller)).filter(({ status }) => status !== 'duplicate');
  const byJob = new Map(receipts.map((receipt) => [receipt.jobId, receipt]));
  const late = await lateOf(deps.sql, receipts);
  const heard = news.filter(({ known }) => !known.isKnown || (known.holdId !== undefined && !known.isBound));
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

/** One job without a stamp after the other, for the hold that one is bound to is not free for the next. */
async function receiptsOf(
  { sql, recordEvents }: RecordDeps,
  cluster: NumberedCluster,
  news: readonly News[],
  caller: Caller,
): Promise<EventReceipt[]> {
  const unstamped = news.filter(
    ({ job, known }) => job.stamp === undefined && !known.isKnown && job.account !== undefined,
  );
  const withHolds = unstamped.length === 0 ? [] : await withFreeHolds(sql, cluster, unstamped);
  const receipts: EventReceipt[] = [];
  for (const each of withHolds) {
    const holdId = await freeHoldOf(sql, cluster, each.job);
    const events = each.events.map((event) => ({ ...event, ...given({ holdId }) }));
    receipts.push(...(await recordEvents(events, caller)));
  }
  const others = news.filter((each) => !withHolds.includes(each)).flatMap(({ events }) => events);
  return [...receipts, ...(await recordEvents(others, caller))];
}

const DEED_OF: Partial<Record<JobEvent['type'], QueueDeed['did']>> = {
  suspended: 'suspended',
  resumed: 'resumed',
  ended: 'ended',
  cancelled: 'ended',
  requeued: 'ended',
  node_failed: 'ended',
  preempted: 'ended',
};

const onceEach = (deeds: QueueDeed[]): QueueDeed[] => [
  ...new Map(deeds.map((deed) => [`${deed.did} ${deed.jobId} ${deed.holdId} ${deed.detail}`, deed])).values(),
];

/** Of the holds that events were recorded for, the late ones. */
async function lateOf(sql: Sql, receipts: readonly EventReceipt[]): Promise<Set<string>> {
  const holdIds = [...new Set(receipts.flatMap(({ holdId }) => holdId ?? []))];
  if (holdIds.length === 0) return new Set();
  const rows = await ask(
    () => sql<{ holdId: string }[]>`
      select hold_id as "holdId" from ledger.holds where late and hold_id = any (${holdIds}::text[])`,
  );
  return new Set(rows.map(({ holdId }) => holdId));
}
