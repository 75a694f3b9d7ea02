/** What the telling of users is called and what it tells. Nothing here does anything. */

export const NOTICES_SCHEDULE = 'notices';

/** What became of one message. `closed`: somebody else had sent it, or it was given up. */
export type NoticeOutcome = 'sent' | 'given_up' | 'closed';

export interface NoticesReport {
  sent: number;
  givenUp: number;
  /** Tried, and to be tried again in the next round. */
  waiting: number;
}
