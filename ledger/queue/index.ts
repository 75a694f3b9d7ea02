/**
 * The part of the ledger that brings together what schedulers show when they are asked with what is known already: which
 * job carries which hold, what nobody told, and which holds no job carries any more.
 *
 * The comparison locks nothing; what it finds is recorded by the same door as what hooks tell (events.ts). It asks no
 * scheduler itself, and charges nothing: the stories do, when they hear of it.
 */
import type { QueuedJob } from '../../domain/queue';
import type { Instant } from '../../domain/time';
import type { Sql } from '../../platform/postgres';
import type { Caller, Jobs, Queue, QueueDeed, QueueListing, QueueReport } from '../contract';
import { ask } from '../errors';
import type { NumberedCluster, PriceBooks } from '../price-book';
import { clusterAsOfNow } from '../slurm/cluster';
import { noteAccounting, noteAccountingPart, noteSilence, readLooks } from './looks';
import { missingIn, type MissingHold } from './missing';
import { newsOf } from './news';
import { answerOf, readQuestion } from './question';
import { recordNews, type Recorded } from './record';
import { settleUnseen, type UnseenHold } from './unseen';

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

/** Only the end of a run is asked of the accounting; nothing of it is by the clock of a listing. */
const NO_LISTING: Instant = '1970-01-01T00:00:00Z';

export function openQueue({ sql, prices, recordEvents, graceSeconds = 300 }: QueueOptions): Queue {
  const deps = { sql, recordEvents };
  const clusterOf = async (name: string) => (await clusterAsOfNow(prices, name)).cluster;

  /** By the database's clock, which holds are placed by. */
  async function momentOf(ageSeconds: number): Promise<Instant> {
    const [row] = await ask(
      () => sql<{ at: Instant }[]>`
        select clock_timestamp() - ${Math.min(ageSeconds, YEAR_SECONDS)} * interval '1 second' as at`,
    );
    if (!row) throw new Error('the database does not say what time it is');
    return row.at;
  }

  async function record(cluster: NumberedCluster, jobs: readonly QueuedJob[], takenAt: Instant, caller: Caller) {
    return recordNews(deps, cluster, await newsOf(sql, cluster, jobs, takenAt), caller);
  }

  async function noteListing(
    { clusterNo }: NumberedCluster,
    { jobs, takenAt }: QueueListing,
    listedAt: Instant,
    missing: readonly MissingHold[],
  ): Promise<UnseenHold[]> {
    return ask(
      () => sql<UnseenHold[]>`
        select hold_no as "holdNo", hold_id as "holdId", tasks_left as "tasksLeft", seen_until as "seenUntil",
          is_spare as "isSpare"
        from ledger.note_listing(${clusterNo}::int, ${JSON.stringify(missing)}::text::jsonb, ${jobs.length}::int,
          ${listedAt}, ${takenAt}, ${graceSeconds}::int)`,
    );
  }

  return {
    async listed(listing, caller, askAccounting) {
      // First of all: what is placed while the news are recorded is not missed.
      const listedAt = await momentOf(listing.ageSeconds);
      const cluster = await clusterOf(listing.cluster);
      const heard = await record(cluster, listing.jobs, listing.takenAt, caller);
      const keeps = whyKeeps(listing);
      if (keeps !== undefined) {
        await noteSilence(sql, cluster, keeps, 'queue');
        return { ...reportOf(listing, heard, NOTHING), keeps };
      }
      const missing = await missingIn(sql, cluster, listing.jobs, listedAt);
      const unseen = await noteListing(cluster, listing, listedAt, missing);
      if (unseen.length === 0) return reportOf(listing, heard, NOTHING);
      const hearAccounting =
        askAccounting &&
        (async (jobIds: readonly string[]) => record(cluster, await askAccounting(jobIds), NO_LISTING, caller));
      return reportOf(listing, heard, await settleUnseen(deps, unseen, caller, hearAccounting));
    },

    async accounted(name, jobs, caller) {
      const { deeds, recorded } = await record(await clusterOf(name), jobs, NO_LISTING, caller);
      return {
        cluster: name,
        jobs: jobs.length,
        recorded,
        ended: countOf(deeds, 'ended'),
        adopted: countOf(deeds, 'adopted'),
        deeds: deeds.slice(0, DEEDS_TOLD),
      };
    },

    heard: async (name) => noteAccounting(sql, await clusterOf(name)),
    heardPart: async (name, part) => noteAccountingPart(sql, await clusterOf(name), part),
    unreachable: async (name, failure, part) => noteSilence(sql, await clusterOf(name), failure, part),
    looks: () => readLooks(sql),
    question: (holdId) => readQuestion(sql, holdId),
    answer: answerOf,
  };
}

const NOTHING: Recorded = { deeds: [], recorded: 0 };

/** Of what was heard in the listing, and of what was settled because it was not in it. */
function reportOf({ cluster, jobs }: QueueListing, heard: Recorded, settled: Recorded): QueueReport {
  const deeds = [...heard.deeds, ...settled.deeds];
  return {
    cluster,
    jobs: jobs.length,
    recorded: heard.recorded + settled.recorded,
    bound: countOf(heard.deeds, 'bound'),
    adopted: countOf(heard.deeds, 'adopted'),
    givenBack: countOf(deeds, 'given_back'),
    reduced: countOf(deeds, 'reduced'),
    deeds: deeds.slice(0, DEEDS_TOLD),
  };
}

const countOf = (deeds: readonly QueueDeed[], word: QueueDeed['did']): number =>
  deeds.filter(({ did }) => did === word).length;

function whyKeeps({ isWhole, ageSeconds }: QueueListing): string | undefined {
  if (!isWhole) return 'a part of the listing could not be read, so nothing is missed by it';
  if (ageSeconds > STALE_SECONDS) return `the listing is ${Math.trunc(ageSeconds)} s old, so nothing is missed by it`;
  return undefined;
}
