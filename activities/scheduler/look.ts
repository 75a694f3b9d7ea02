/** One look at a scheduler: its accounting, then its queue, and what the ledger makes of both. */
import { log } from '@temporalio/activity';
import { given } from '../../domain/given';
import type { Caller, HistoryReport, Queue, QueueReport } from '../../ledger/contract';
import type { Metrics } from '../../platform/metrics';
import type { LookReport, QueueLook } from '../../workflows/contracts/queue-look';
import type { Scheduler } from './scheduler';

export interface LookDeps {
  queue: Queue;
  schedulerOf: (cluster: string) => Scheduler | undefined;
  metrics?: Pick<Metrics, 'schedulerLooks' | 'adoptedJobs' | 'holdsGivenBack'> | undefined;
}

const SWEEP: Caller = { principal: 'scheduler' };

/** Records of the accounting arrive late, by as much as this; what was heard before is not recorded twice. */
const OVERLAP_SECONDS = 600;
/** After a longer silence only the nightly comparison looks further back. */
const FURTHEST_SECONDS = 86_400;
const WIDE_SECONDS = 3 * 86_400;

/**
 * The accounting is heard before the queue is listed: a job that ends in between is listed as ended, and never as missing.
 * Each is done though the other fails, and any number of times.
 */
export async function look(deps: LookDeps | undefined, { cluster, wide }: QueueLook): Promise<LookReport> {
  const scheduler = deps?.schedulerOf(cluster);
  if (deps === undefined || scheduler === undefined) return reportOf(cluster, 'absent', []);
  const { queue, metrics } = deps;
  const failures: string[] = [];
  const failed = async (part: 'queue' | 'accounting', error: unknown) => {
    const failure = error instanceof Error ? error.message : String(error);
    log.warn('scheduler unreachable', { cluster, part, failure });
    failures.push(failure);
    await queue.unreachable(cluster, failure, part);
    return undefined;
  };

  const seconds = wide ? WIDE_SECONDS : await secondsToHear(queue, cluster);
  const records = await scheduler.history(seconds).catch((error: unknown) => failed('accounting', error));
  const history = records && (await queue.accounted(cluster, records.jobs, SWEEP));
  if (records?.faults.length === 0) await queue.heard(cluster);
  else if (records) await failed('accounting', records.faults[0]);

  const began = performance.now();
  const listing = await scheduler.queue().catch((error: unknown) => failed('queue', error));
  let listed: QueueReport | undefined;
  if (listing) {
    const { jobs, takenAt, faults } = listing;
    if (faults.length > 0) log.warn('queue not whole', { cluster, count: faults.length, first: faults[0] });
    const ageSeconds = (performance.now() - began) / 1000;
    const shown = { cluster, jobs, takenAt, ageSeconds, isWhole: faults.length === 0 };
    let cannotSay: unknown;
    const find = (jobIds: readonly string[]) =>
      scheduler.find(jobIds).catch((error: unknown) => {
        cannotSay = error;
        throw error;
      });
    // Nothing is given back that the accounting cannot be asked about; the next look asks again.
    listed = await queue.listed(shown, SWEEP, find).catch((error: unknown) => {
      if (error !== cannotSay) throw error;
      return failed('accounting', error);
    });
  }

  metrics?.adoptedJobs.inc((history?.adopted ?? 0) + (listed?.adopted ?? 0));
  metrics?.holdsGivenBack.inc((listed?.givenBack ?? 0) + (listed?.reduced ?? 0));
  const result = failures.length > 0 ? 'unreachable' : listed?.keeps === undefined ? 'looked' : 'incomplete';
  metrics?.schedulerLooks.inc({ result });
  return reportOf(cluster, result, failures, history, listed);
}

async function secondsToHear(queue: Queue, cluster: string): Promise<number> {
  const known = (await queue.looks()).find((each) => each.cluster === cluster)?.accountedAgeSeconds;
  return Math.min((known ?? 0) + OVERLAP_SECONDS, FURTHEST_SECONDS);
}

const reportOf = (
  cluster: string,
  result: LookReport['result'],
  failures: string[],
  history?: HistoryReport,
  listed?: QueueReport,
): LookReport => ({
  cluster,
  result,
  failures,
  jobs: listed?.jobs ?? 0,
  records: history?.jobs ?? 0,
  recorded: (listed?.recorded ?? 0) + (history?.recorded ?? 0),
  bound: listed?.bound ?? 0,
  adopted: (listed?.adopted ?? 0) + (history?.adopted ?? 0),
  ended: (history?.ended ?? 0) + (listed?.deeds.filter(({ did }) => did === 'ended').length ?? 0),
  givenBack: listed?.givenBack ?? 0,
  reduced: listed?.reduced ?? 0,
  deeds: [...(history?.deeds ?? []), ...(listed?.deeds ?? [])].slice(0, 100),
  ...given({ keeps: listed?.keeps }),
});
