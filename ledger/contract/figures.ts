/** What the metrics show. */
import type { Micro } from '../../domain/money';

export interface Figures {
  /** Of all accounts that are not archived. */
  accounts: {
    account: string;
    unit: string;
    limit: Micro;
    used: Micro;
    held: Micro;
    available: Micro;
    openHolds: number;
  }[];
  overdueHolds: number;
  quarantinedJobs: number;
  unmatchedReports: number;
  unsealed: number;
}
