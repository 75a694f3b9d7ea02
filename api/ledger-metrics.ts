/** The figures of the ledger in the metrics: read when they are asked for, and not more often than every few seconds. */
import type { Ledger } from '../ledger/contract';
import type { Metrics } from '../platform/metrics';
import { within } from './time-limit';

const FRESH_MS = 5_000;
const PATIENCE_MS = 3_000;

export function showLedgerIn(metrics: Metrics, ledger: Pick<Ledger, 'figures' | 'outbox'>): void {
  let readAt = -FRESH_MS;
  metrics.onScrape(async () => {
    if (performance.now() - readAt < FRESH_MS) return;
    const [figures, outbox] = await within(PATIENCE_MS, Promise.all([ledger.figures(), ledger.outbox.depth()]));
    readAt = performance.now();
    metrics.showAccounts(figures.accounts);
    metrics.overdueHolds.set(figures.overdueHolds);
    metrics.quarantinedJobs.set(figures.quarantinedJobs);
    metrics.unmatchedReports.set(figures.unmatchedReports);
    metrics.unsealed.set(figures.unsealed);
    metrics.outboxWaiting.set(outbox.waiting);
    metrics.outboxOldestSeconds.set(outbox.oldestSeconds);
  });
}
