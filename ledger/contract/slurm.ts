/** What the hooks inside a Slurm controller ask and tell. They send raw facts; everything else is decided here. */
import type { TransactionId } from '../../domain/ids';
import type { JobState } from '../../domain/job';
import type { Micro } from '../../domain/money';
import type { Enforcement, FailurePolicy } from '../../domain/policy';
import type { RawFacts } from '../../domain/slurm-submission';
import type { Instant } from '../../domain/time';
import type { Spares } from './admission';
import type { Caller, Page } from './asking';

/** One call of the submit hook: a job, an array, or one component of a heterogeneous job. */
export interface SlurmSubmission {
  /** Undefined: the configured default cluster. */
  cluster?: string;
  /** Made by the hook before it asked, and stamped on the job whatever the answer is (rulings 10). */
  key: string;
  facts: RawFacts;
  /** When the hook was asked, by its clock; kept, and decides nothing. */
  askedAt?: Instant;
  /** For equal jobs that are likely to come next. */
  spares?: Spares;
}

export interface SubmissionAnswer {
  /** What the hook is to do: in shadow mode it accepts what would have been denied. */
  accept: boolean;
  /** 'placed', the code of a refusal, or why nothing was asked: 'exempt_user', 'exempt_partition', 'exempt_without_account'. */
  code: string;
  /** The whole sentence. */
  message: string;
  mode: Enforcement;
  wouldDeny: boolean;
  /** Why the job is neither asked about nor charged. */
  exempt?: string;
  holdId?: TransactionId;
  estimatedCost: Micro;
  holdAmount: Micro;
  /** Absent where no account says it. */
  unit?: string;
  /** An earlier answer to the same key, given again. */
  replayed: boolean;
  /** Keys of those spares that are held. */
  spares?: string[];
}

/** A pending job is about to be changed. */
export interface SlurmModification {
  cluster?: string;
  jobId: string;
  /** The key that the job is stamped with; undefined: it has none. */
  stamp?: string;
  /** For a hold that has to be a new one. */
  newKey: string;
  /** When the controller asked; default: now. */
  at?: Instant;
  /** The job as it is. */
  facts: RawFacts;
  /** What is to change of it. */
  changes: RawFacts;
}

export interface ModificationAnswer {
  accept: boolean;
  code: string;
  message: string;
  /** The key to stamp the job with from now on, where it is another one. */
  stamp?: string;
  holdId?: TransactionId;
  holdAmount: Micro;
  unit?: string;
  mode: Enforcement;
  wouldDeny: boolean;
}

/** A price, for whoever asks: no balance, no limit, nobody's name. */
export interface SlurmEstimate {
  message: string;
  cost: Micro;
  unit?: string;
  fits: boolean;
}

export interface SlurmReceipt {
  /** rejected: it cannot be understood, and sending it again changes nothing. */
  status: 'recorded' | 'duplicate' | 'unmatched' | 'rejected';
  jobId?: string;
  holdId?: TransactionId;
  detail?: string;
}

export type Withdrawal = 'withdrawn' | 'closed' | 'bound' | 'unknown';

/** What a hook prices with while the service is away. Amounts are of the cluster's unit. */
export interface SlurmPolicy {
  cluster: string;
  timeZone: string;
  /** The unit of its rates; undefined: nothing is priced here. */
  unit?: string;
  enforcement: Enforcement;
  failurePolicy: FailurePolicy;
  failureLimit?: Micro;
  exemptUsers: readonly string[];
  exemptPartitions: string[];
  withoutAccount: 'deny' | 'exempt';
  defaultPartition?: string;
  /** '' stands for every partition that is not named. */
  partitions: Record<string, PartitionPolicy>;
  madeAt: Instant;
}

export interface PartitionPolicy {
  failurePolicy?: FailurePolicy;
  failureLimit?: Micro;
  defaultMinutes?: number;
  maxMinutes?: number;
  /** Of its queue; what an hour costs is without it. */
  weight: string;
  /** What an hour of each resource costs now. */
  perHour: Record<string, Micro>;
}

export interface RefusalFilter {
  cluster?: string;
  account?: string;
  user?: string;
  code?: string;
  since?: Instant;
  /** Exclusive. */
  until?: Instant;
}

/** A submission, or a change of one, that was denied or would have been. */
export interface RefusedSubmission {
  at: Instant;
  cluster: string;
  clusterTimeZone: string;
  account?: string;
  user?: string;
  partition?: string;
  jobName?: string;
  /** Why: the code of the refusal, and its sentence. */
  code: string;
  message: string;
  unit?: string;
  estimated: Micro;
  /** What would have been held. */
  held: Micro;
  /** The job that ran all the same, once it was heard of. */
  jobId?: string;
  state?: JobState;
  /** By its runs so far. */
  wouldHaveCost?: Micro;
}

/** Of one account, user or reason, in one unit; of those without an account there is no name. */
export interface RefusalTotal {
  name?: string;
  unit?: string;
  denied: number;
  estimated: Micro;
}

export interface RefusalReport {
  since?: Instant;
  until?: Instant;
  /** A unit each. */
  totals: RefusalTotal[];
  byAccount: RefusalTotal[];
  byUser: RefusalTotal[];
  byCode: RefusalTotal[];
  denials: RefusedSubmission[];
  nextCursor?: string;
}

export interface Slurm {
  /** The one decision of /budget/check, and what the site says of jobs that are not asked about. `cluster_not_found`. */
  submit(submission: SlurmSubmission, caller: Caller): Promise<SubmissionAnswer>;
  /** Prices a changed job anew: more passes every limit or is refused, less gives back. `cluster_not_found`. */
  modify(modification: SlurmModification, caller: Caller): Promise<ModificationAnswer>;
  /** `cluster_not_found`. */
  estimate(submission: Omit<SlurmSubmission, 'key'>): Promise<SlurmEstimate>;
  /** Gives back holds that are nobody's job's, by their keys; once each. `cluster_not_found`. */
  withdraw(cluster: string | undefined, keys: readonly string[], reason: string, caller: Caller): Promise<Withdrawal[]>;
  /** One receipt a record, in order; one that cannot be understood does not stop the others. `cluster_not_found`. */
  record(cluster: string | undefined, records: readonly RawFacts[], caller: Caller): Promise<SlurmReceipt[]>;
  /** Those that were applied, or those of shadow mode; a page at a time, the newest first. The totals are of all of them. */
  refusals(mode: Enforcement, filter: RefusalFilter, page: Page): Promise<RefusalReport>;
  /** `cluster_not_found`. */
  policy(cluster: string | undefined): Promise<SlurmPolicy>;
}
