/** What an epilog, ASBX or a bare cost says of a job that has ended, whether or not anybody knows its hold. */
import type { Assessment, Performance, Thresholds } from '../../domain/asbx';
import type { TransactionId } from '../../domain/ids';
import type { EndState, Resources } from '../../domain/job';
import type { Micro } from '../../domain/money';
import type { Instant } from '../../domain/time';
import type { Caller } from './asking';
import type { Jobs, Reconciliation } from './jobs';
import type { Chapter } from './stories';

const REPORT_SOURCES = ['reconcile', 'epilog', 'asbx'] as const;
export type ReportSource = (typeof REPORT_SOURCES)[number];

export interface ReportedJob {
  cluster: string;
  /** The scheduler's; `4711_3` is a task of the array 4711. */
  jobId: string;
  account?: string;
  user?: string;
  partition?: string;
  submittedAt?: Instant;
  startedAt?: Instant;
  endedAt?: Instant;
  endState?: EndState;
  exitCode?: number;
  /** What is known of what it had. */
  allocated?: Partial<Resources>;
  holdId?: string;
  holdKey?: string;
  /** The report as it was received. */
  evidence: unknown;
}

export interface CostReport extends ReportedJob {
  source: Exclude<ReportSource, 'reconcile'>;
  cost: { amount: Micro; numeral: string };
  correction: boolean;
  /** What somebody thought that it would cost; else what Bursar did. */
  estimated?: Micro;
  performance: Performance;
}

export interface AsbxOptions {
  /** False: the report is only written down. */
  reconciles: boolean;
  /** Does it count in the accuracy of the estimates? */
  teaches: boolean;
  thresholds: Thresholds;
}

/** It waits for a hold. */
export interface Waiting {
  unmatchedNo: number;
  why: 'no_hold' | 'several_holds';
}

export interface AsbxOutcome {
  status: 'reconciled' | 'recorded' | 'waiting';
  reconciliationId?: string;
  holdId?: TransactionId;
  assessment: Assessment;
  reconciliation?: Reconciliation;
  waiting?: Waiting;
}

export interface AsbxFigures {
  lastReceivedAt?: Instant;
  reconciled: number;
  refused: number;
  recorded: number;
  waiting: number;
  /** Undefined: none has been reconciled. */
  averageMs?: number;
  /** 0 to 1; undefined: nothing has been learned from. */
  accuracy?: number;
}

export interface Reports {
  /**
   * ASBB's reconcile for whoever knows only a job id: settles the job's hold, or keeps the cost until the job has one, on the
   * cluster `waitsOn`. Otherwise as `Jobs.reconcile`.
   */
  reconcile(
    request: Parameters<Jobs['reconcile']>[0] & { waitsOn: string },
    caller: Caller,
  ): Promise<Reconciliation | Waiting>;
  /** The end of a job: binds it to its hold and does whatever is due. `cluster_not_found`. */
  epilog(job: ReportedJob, caller: Caller): Promise<Chapter | Waiting>;
  /** A cost with what ASBX knows besides. `hold_not_found` where the one that it names is unknown too, `already_reconciled`. */
  asbx(report: CostReport, options: AsbxOptions, caller: Caller): Promise<AsbxOutcome>;
  asbxFigures(): Promise<AsbxFigures>;
}
