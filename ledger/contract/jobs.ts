/** Jobs as schedulers tell of them, and what became of their money. */
import type { TransactionId } from '../../domain/ids';
import type {
  ChargeSource,
  EndState,
  EventFacts,
  JobEventType,
  JobRequest,
  JobState,
  SchedulerAnswer,
} from '../../domain/job';
import type { Micro } from '../../domain/money';
import type { AdmissionKind, Enforcement } from '../../domain/policy';
import type { Instant } from '../../domain/time';
import type { Decision } from './admission';
import type { Caller, Page, Paged } from './asking';
import type { Hold } from './holds';
import type { Transaction } from './movements';
import type { Chapter } from './stories';

/**
 * One thing that happened to a job, as a scheduler told it. Late, repeated and out of order are ordinary. Times without a
 * zone are on the clocks of the cluster.
 */
export interface JobEvent extends EventFacts {
  type: JobEventType;
  cluster: string;
  jobId: string;
  at: Instant;
  submittedAt?: Instant;
  startedAt?: Instant;
  /** Array task ('4') or heterogeneous component ('+1'); '' for the job itself. */
  task?: string;
  holdId?: string;
  holdKey?: string;
  account?: string;
  /** What the scheduler has it under, where that is said by one who gives no job a hold (a prolog). */
  seenAccount?: string;
  user?: string;
  partition?: string;
  name?: string;
  raw?: unknown;
}

/** An event whose job and hold are found by whoever records it. */
export type ToldEvent = Omit<JobEvent, 'cluster' | 'jobId' | 'task' | 'holdId' | 'holdKey'>;

export interface EventReceipt {
  status: 'recorded' | 'duplicate' | 'unmatched';
  cluster: string;
  jobId: string;
  holdId?: TransactionId;
  /** What is to be known of it, as that its cost changes nothing because another one was reported before. */
  detail?: string;
  /** How a time of it was read, where the clocks of the cluster left a doubt (rulings 17). */
  note?: string;
}

export interface JobRun {
  runKey: string;
  task: string;
  startedAt?: Instant;
  endedAt?: Instant;
  endState?: EndState;
  runSeconds: number;
  charge?: {
    transactionId: TransactionId;
    amount: Micro;
    refunded: Micro;
    source: ChargeSource;
  };
}

export interface Job {
  cluster: string;
  clusterTimeZone: string;
  jobId: string;
  name?: string;
  account?: string;
  unit?: string;
  user?: string;
  partition?: string;
  submittedAt?: Instant;
  state: JobState;
  quarantined: boolean;
  holdId?: TransactionId;
  /** Its hold was opened after the fact, for want of one. */
  late: boolean;
  /** How it came in, where not by a check that held its money. */
  admission?: { kind: AdmissionKind; reason?: string; cost?: Micro };
  held: Micro;
  charged: Micro;
  accrued: Micro;
  workflowId?: string;
  updatedAt: Instant;
}

/** What was decided about a job, and what had been asked: the caller's own details word for word. */
export interface JobDecision extends Decision {
  decidedAt: Instant;
  components: JobRequest[];
  details?: Record<string, unknown>;
}

/** A change of the job that was asked for and not allowed, or only watched. */
export interface RefusedChange {
  at: Instant;
  code: string;
  message: string;
  /** shadow: Slurm made the change all the same. */
  mode: Enforcement;
}

/** A change of the job that a hook let in by itself while the service was away. */
export interface LoneChange {
  at: Instant;
  outcome: 'open' | 'open_to_limit' | 'exempt';
  message: string;
  /** As the hook priced the whole changed job. */
  cost?: Micro;
}

/** The whole story of a job: what was asked, decided, held, run, charged and returned, in order. */
export interface JobStory extends Omit<Job, 'state'> {
  /** `denied`: its check said no, and nothing was heard of it since. */
  state: JobState | 'denied';
  /** Of its hold; where no check placed one, the last refusal that named it. */
  decision?: JobDecision;
  hold?: Hold;
  runs: JobRun[];
  refusedChanges: RefusedChange[];
  loneChanges: LoneChange[];
  events: (Omit<JobEvent, 'raw'> & Pick<EventReceipt, 'note'> & { recordedAt: Instant })[];
  /** In the order in which they were written, which is the order of cause and effect within one moment. */
  transactions: Transaction[];
  /** Those are the newest; the movements of the hold have all. */
  hasEarlierTransactions?: true;
  waitsFor?: string;
  deadline?: Instant;
}

export interface AdvanceOptions {
  /** The clock; default: the database's. */
  now?: Instant;
  /** Where it could not be reached, the hold is kept (rulings 16). Default 'absent'. */
  scheduler?: SchedulerAnswer;
}

export interface Reconciliation {
  holdId: TransactionId;
  unit: string;
  originalHold: Micro;
  actualCharge: Micro;
  refundAmount: Micro;
  additionalCharge: Micro;
  message: string;
  replayed: boolean;
}

export interface Jobs {
  /** Stores events, binds them to holds (id, key, or the job they were bound to before), rings the stories. One receipt an event, in order. */
  recordEvents(events: JobEvent[], caller: Caller): Promise<EventReceipt[]>;
  /** `cluster_not_found`; `account_not_found`, unless a job names that account. */
  list(
    filter: {
      cluster?: string;
      account?: string;
      user?: string;
      state?: JobState;
      quarantined?: boolean;
      late?: boolean;
      admitted?: AdmissionKind;
      jobId?: string;
    },
    page: Page,
  ): Promise<Paged<Job>>;
  /** The newest job of that id, or all of them where ids were recycled. `job_not_found`. */
  read(cluster: string, jobId: string): Promise<JobStory>;
  /**
   * Does whatever is due for a hold by its recorded events and the clock: charges ended runs, tops up after a requeue,
   * settles, marks overdue, releases. Safe to call at any time, any number of times. `hold_not_found`.
   */
  advance(holdId: string, options?: AdvanceOptions): Promise<Chapter>;
  /** ASBB's reconcile: a reported cost for a hold or a job. `hold_not_found`, `not_a_hold`, `already_reconciled`. */
  reconcile(
    request: {
      jobId?: string;
      holdId?: string;
      cluster?: string;
      actualCost: Micro;
      numeral: string;
      correction: boolean;
      metadata?: unknown;
      /** What else is known of the run; recorded together with its cost, as events of the job that is found. */
      events?: readonly ToldEvent[];
    },
    caller: Caller,
  ): Promise<Reconciliation>;
}
