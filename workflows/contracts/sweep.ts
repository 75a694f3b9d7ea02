/** What the sweep is called and what it tells. Nothing here does anything. */

export const SWEEP_SCHEDULE = 'sweep';

export interface SweepReport {
  /** Stories that had been terminated or lost, and are in the outbox again. */
  restarted: number;
  /** Funds that lost free money because their window had ended. */
  expired: number;
  /** Transactions added to the hash chain. */
  sealed: number;
}
