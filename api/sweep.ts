/**
 * The API's own broom, for when no worker is there to sweep: lost stories are restarted, ended funds expire, transactions
 * are sealed, and the books are proved for the metrics. Everything may be done by several processes at once.
 */
import type { LatestAudit, Ledger } from '../ledger/contract';
import type { Log } from '../platform/log';
import type { Metrics } from '../platform/metrics';
import type { TemporalDeps } from './env';

export interface SweepDeps {
  ledger: Pick<Ledger, 'audit' | 'movements'>;
  temporal: Pick<TemporalDeps, 'restartStrays'>;
  log: Log;
  metrics: Pick<Metrics, 'auditDifference' | 'auditAgeSeconds' | 'restartedStories' | 'onScrape'>;
  /** Default one minute. */
  everyMs?: number;
  /** The books are proved this often by all processes together, for it reads all of them. Default an hour. */
  auditEveryMs?: number;
}

export interface Sweep {
  /** Once, now; for tests and for the timer. */
  once(): Promise<void>;
  start(): void;
  stop(): Promise<void>;
}

const SEALED_AT_ONCE = 1_000;

export function createSweep({
  ledger,
  temporal,
  log,
  metrics,
  everyMs = 60_000,
  auditEveryMs = 3_600_000,
}: SweepDeps): Sweep {
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();
  let stopped = false;
  let known: LatestAudit | undefined;

  metrics.onScrape(() => {
    if (known !== undefined) metrics.auditAgeSeconds.set((Date.now() - Date.parse(known.finishedAt)) / 1000);
  });

  /** That one broom breaks must not keep the others in the cupboard. */
  const broom = async (name: string, sweep: () => Promise<unknown>) => {
    if (stopped) return;
    try {
      await sweep();
    } catch (error) {
      log.warn({ err: error, broom: name }, 'sweep incomplete');
    }
  };

  async function once(): Promise<void> {
    await broom('stories', async () => {
      const restarted = (await temporal.restartStrays?.()) ?? 0;
      if (restarted > 0) log.info({ restarted }, 'stories restarted');
      metrics.restartedStories.inc(restarted);
    });
    await broom('funds', async () => {
      const expired = await ledger.movements.expireFunds();
      if (expired > 0) log.info({ expired }, 'funds expired');
    });
    await broom('seals', () => ledger.audit.seal(SEALED_AT_ONCE));
    await broom('audit', async () => {
      await ledger.audit.runIfDue(auditEveryMs);
      const latest = await ledger.audit.latest();
      if (latest === undefined || latest.auditNo === known?.auditNo) return;
      known = latest;
      const { ok, difference, findings } = latest.report;
      metrics.auditDifference.set(Number(difference));
      if (!ok) log.error({ difference, findings }, 'the books do not balance');
    });
  }

  const schedule = () => {
    if (stopped) return;
    // Not all processes of a site at once.
    timer = setTimeout(() => void (running = once().then(schedule)), everyMs * (0.75 + Math.random() / 2));
    timer.unref();
  };

  return {
    once,
    start: schedule,
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      await running;
    },
  };
}
