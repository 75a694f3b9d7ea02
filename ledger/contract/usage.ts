/** What was used, by whom and when: the report on charges and hours, and where an account's money is going. */
import type { Forecast } from '../../domain/forecast';
import type { Micro } from '../../domain/money';
import type { PeriodAsked } from '../../domain/report-period';
import type { Instant } from '../../domain/time';
import type { Grouping, ResourceSeconds } from '../../domain/usage-report';
import type { Page } from './asking';

export interface UsageAsked {
  /** With everything below it. Without one: all accounts of one unit. */
  account?: string;
  /** Where no account says it; default: the one that most accounts count in. */
  unit?: string;
  cluster?: string;
  partition?: string;
  user?: string;
  period: PeriodAsked;
  /**
   * Whose days these are. Default: the zone of the cluster that is named, or of all of them if they agree; else the
   * account's, else the server's.
   */
  timeZone?: string;
  groupBy?: Grouping;
}

/** What was used in a time. */
export interface Used {
  /** Charges with their adjustments, less their refunds, on the day of the use that they are about. */
  amount: Micro;
  /** Runs that ended in that time; each task of an array, and each run of a job that was requeued, is one. */
  jobs: number;
  /** Of those, runs of which nobody has said when they began or ended, or what they had: their hours are not counted. */
  unmetered: number;
  seconds: ResourceSeconds;
}

export interface UsageRow extends Used {
  /** A day, week or month, a partition, a user, a cluster, an account; undefined where a run has none. */
  label?: string;
  /** Of a day, week or month; `to` is exclusive. */
  from?: Instant;
  to?: Instant;
}

export interface UsageReport {
  account?: string;
  unit: string;
  /** Units that other accounts count in, which are not in this report. */
  otherUnits: string[];
  timeZone: string;
  from: Instant;
  to: Instant;
  groupBy?: Grouping;
  total: Used;
  /** By open holds now, of the same account, cluster, partition and user. */
  held: Micro;
  /** Of the account and everything below it as it is now, whatever the report is narrowed to. */
  budget: Budget;
  /** In the order of time, or the largest amount first. What has nothing at all has no row. */
  rows: UsageRow[];
  nextCursor?: string;
}

/** The money of an account and everything below it; a limit on all of it counts where it is less. */
export interface Budget {
  limit: Micro;
  used: Micro;
  available: Micro;
}

export interface AccountForecast extends Forecast, Budget {
  account: string;
  unit: string;
  timeZone: string;
  at: Instant;
  endsAt: Instant;
  /** The whole days that were looked back on: the first instant of the first, and the end of the last. */
  from: Instant;
  to: Instant;
}

export interface Usage {
  /** `account_not_found`, `cluster_not_found`, `unit_mismatch`, `malformed_request`. */
  report(asked: UsageAsked, page: Page): Promise<UsageReport>;
  /** `account_not_found`. */
  forecast(account: string): Promise<AccountForecast>;
}
