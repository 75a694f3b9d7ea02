import { proxyActivities } from '@temporalio/workflow';
import type { LedgerActivities } from '../activities/ledger';
import type { StoryActivities } from '../activities/stories';
import type { SweepReport } from './contracts/sweep';

// Bounded: the schedule starts no sweep while one is open, so one stuck broom would keep all of them in the cupboard.
const BOUNDED = { startToCloseTimeout: '2 minutes', scheduleToCloseTimeout: '5 minutes' } as const;
const stories = proxyActivities<StoryActivities>({ ...BOUNDED, summary: 'Start lost stories again' });
const ledger = proxyActivities<LedgerActivities>(BOUNDED);

/**
 * Mends what nobody was there to do: stories that were terminated or lost with a backup, funds whose window has ended,
 * transactions that are not sealed yet. A Temporal Schedule starts it every minute.
 *
 * Guarantee: all three are tried, whatever becomes of the others, and each may be done at any time, any number of times.
 */
export async function sweep(): Promise<SweepReport> {
  const brooms = [
    stories.restartStrays(),
    ledger.expireFunds.executeWithOptions({ summary: 'Expire funds whose window has ended' }, []),
    ledger.seal.executeWithOptions({ summary: 'Seal new transactions' }, []),
  ] as const;
  await Promise.allSettled(brooms);
  const [restarted, expired, sealed] = await Promise.all(brooms);
  return { restarted, expired, sealed };
}
