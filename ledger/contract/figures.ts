/** What the metrics show. */
import type { AccountFigures } from '../../platform/metrics';

export interface Figures {
  /** Of all accounts that are not archived. */
  accounts: AccountFigures[];
  overdueHolds: number;
  quarantinedJobs: number;
  unmatchedReports: number;
  unsealed: number;
}
