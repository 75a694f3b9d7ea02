/** What rows of a scheduler say that nobody has told: they are compared with what is known in one query, which locks nothing. */
import { given } from '../../domain/given';
import { queueNews, type KnownJob, type QueuedJob } from '../../domain/queue';
import { compareInstants, instantOfMicros, type Instant } from '../../domain/time';
import type { TransactionId } from '../../domain/ids';
import type { Sql } from '../../platform/postgres';
import type { JobEvent } from '../contract';
import { ask } from '../errors';
import type { NumberedCluster } from '../price-book';
import { exemptionOf } from '../slurm/exemption';
import { begunLooking } from './looks';
import { inParts } from './rows';

/** A row that says something new, and the events that say it. */
export interface News {
  job: QueuedJob;
  known: KnownJob;
  events: JobEvent[];
}

interface KnownRow {
  i: number;
  holdId: TransactionId | null;
  isBound: boolean;
  isKnown: boolean;
  hasStart: boolean;
  hasEnd: boolean;
  isSplit: boolean;
  isUnchanged: boolean;
  pauses: ['suspended' | 'resumed', number][] | null;
}

export async function newsOf(
  sql: Sql,
  cluster: NumberedCluster,
  jobs: readonly QueuedJob[],
  takenAt: Instant,
): Promise<News[]> {
  if (jobs.length === 0) return [];
  const begunAt = await begunLooking(sql, cluster);
  const news: News[] = [];
  for (const { part, rows } of inParts(jobs)) {
    const known = await ask(
      () => sql<KnownRow[]>`
        select i, hold_id as "holdId", is_bound as "isBound", is_known as "isKnown", has_start as "hasStart",
          has_end as "hasEnd", is_split as "isSplit", is_unchanged as "isUnchanged", pauses
        from ledger.queue_known(${cluster.clusterNo}::int, ${rows}::text::jsonb, ${takenAt}::timestamptz)`,
    );
    for (const row of known) {
      const job = part[row.i];
      if (!job) throw new Error('ledger.queue_known answered a row that was not asked');
      const each = newsOfRow(cluster, job, knownOf(row), takenAt);
      if (each.events.length > 0 && !isNothing(each) && isOurs(cluster, each, begunAt)) news.push(each);
    }
  }
  return onceAJob(news);
}

function newsOfRow({ name }: NumberedCluster, job: QueuedJob, known: KnownJob, takenAt: Instant): News {
  const events = queueNews(job, takenAt, known).map((event) => ({
    ...event,
    cluster: name,
    ...given({ holdKey: job.stamp }),
  }));
  return { job, known, events };
}

const knownOf = ({ holdId, pauses, ...known }: KnownRow): KnownJob => ({
  ...known,
  pauses: (pauses ?? []).map(([type, at]) => ({ type, at: instantOfMicros(BigInt(at)) })),
  ...given({ holdId: holdId ?? undefined }),
});

/** It is over, had no hold and never ran: there is nothing to follow. */
const isNothing = ({ job: { phase, startedAt }, known: { isKnown, holdId } }: News): boolean =>
  !isKnown && holdId === undefined && phase === 'ended' && startedAt === undefined;

/**
 * A job that nobody stamped is adopted only if it should have been asked about: not one that was submitted before anybody
 * looked, nor an exempt one, nor on a cluster that is only watched, where nothing is charged that was not asked about.
 */
const isOurs = (cluster: NumberedCluster, { job, known: { isKnown } }: News, begunAt: Instant): boolean =>
  isKnown ||
  job.stamp !== undefined ||
  (compareInstants(job.submittedAt, begunAt) >= 0 &&
    cluster.enforcement === 'enforce' &&
    exemptionOf(cluster, { ...given({ user: job.user, account: job.account }), partitions: namedPartitions(job) }) ===
      undefined);

const namedPartitions = ({ partition }: QueuedJob): string[] => (partition === undefined ? [] : [partition]);

/** The tasks of an array tell of its submission once. */
function onceAJob(news: News[]): News[] {
  const told = new Set<string>();
  return news.map((each) => ({
    ...each,
    events: each.events.filter(({ type, jobId, task = '', submittedAt }) => {
      if (type !== 'submitted') return true;
      const job = `${jobId} ${task} ${submittedAt}`;
      return !told.has(job) && told.add(job);
    }),
  }));
}
