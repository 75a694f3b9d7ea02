/** The figures of the ledger in the metrics: read when they are asked for, and not more often than every few seconds. */
import type { Ledger } from '../ledger/contract';
import type { Metrics } from '../platform/metrics';
import { within } from './time-limit';

const FRESH_MS = 5_000;
const PATIENCE_MS = 3_000;

export function showLedgerIn(metrics: Metrics, ledger: Pick<Ledger, 'figures' | 'outbox' | 'queue'>): void {
  let readAt = -FRESH_MS;
  metrics.onScrape(async () => {
    if (performance.now() - readAt < FRESH_MS) return;
    const asked = Promise.all([ledger.figures(), ledger.outbox.depth(), ledger.queue.looks()]);
    const [figures, outbox, looks] = await within(PATIENCE_MS, asked);
    readAt = performance.now();
    metrics.showAccounts(figures.accounts);
    metrics.overdueHolds.set(figures.overdueHolds);
    metrics.quarantinedJobs.set(figures.quarantinedJobs);
    metrics.unmatchedReports.set(figures.unmatchedReports);
    metrics.unsealed.set(figures.unsealed);
    metrics.outboxWaiting.set(outbox.waiting);
    metrics.outboxOldestSeconds.set(outbox.oldestSeconds);
    for (const { cluster, failedAt, listedAgeSeconds, accountedAgeSeconds, unseen } of looks) {
      metrics.schedulerReachable.set({ cluster }, failedAt === undefined ? 1 : 0);
      if (listedAgeSeconds !== undefined) metrics.queueAgeSeconds.set({ cluster }, listedAgeSeconds);
      if (accountedAgeSeconds !== undefined) metrics.accountingAgeSeconds.set({ cluster }, accountedAgeSeconds);
      metrics.unseenHolds.set({ cluster }, unseen);
    }
  });
}
