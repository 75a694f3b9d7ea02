import { proxyActivities } from '@temporalio/workflow';
import type { NoticeActivities } from '../activities/notices';
import type { NoticesReport } from './contracts/notices';

const { waitingNotices, sendNotice } = proxyActivities<NoticeActivities>({
  startToCloseTimeout: '30 seconds',
  // The next round, a minute later, tries again what this one could not send.
  retry: { initialInterval: '1 second', maximumAttempts: 3 },
});

/**
 * Tells users of their refunds. A Temporal Schedule starts it every minute, one round at a time.
 *
 * Guarantee: each message is tried, whatever becomes of the others, until it was sent or is given up. What is to be told is in
 * the ledger; a round that is lost has lost nothing.
 */
export async function notices(): Promise<NoticesReport> {
  const numbers = await waitingNotices();
  const outcomes = await Promise.allSettled(numbers.map((noticeNo) => sendNotice(noticeNo)));
  const count = (outcome: string) =>
    outcomes.filter((each) => each.status === 'fulfilled' && each.value === outcome).length;
  return {
    sent: count('sent'),
    givenUp: count('given_up'),
    waiting: outcomes.filter(({ status }) => status === 'rejected').length,
  };
}
