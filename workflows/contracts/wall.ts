/** What the second wall is called and what it tells. Nothing here does anything. */

export const WALL_SCHEDULE = 'wall';

export interface WallReport {
  /** Accounts whose limit was set, and those where it was right. */
  changed: number;
  kept: number;
  /** What somebody else had changed. */
  drifted: string[];
  failures: string[];
}
