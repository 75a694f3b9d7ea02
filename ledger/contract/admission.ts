/** May this job start? What is asked, and what is answered. */
import type { Advice, AdviceNote, AdvicePolicy } from '../../domain/advice';
import type { Facts, FaultCode } from '../../domain/faults';
import type { TransactionId } from '../../domain/ids';
import type { JobRequest } from '../../domain/job';
import type { Micro } from '../../domain/money';
import type { Enforcement } from '../../domain/policy';
import type { Estimate } from '../../domain/price';
import type { Instant } from '../../domain/time';
import type { Caller } from './asking';

/** One budget check, parsed and validated. `components` has one element but for heterogeneous jobs: all or nothing. */
export interface CheckRequest {
  account: string;
  /** Undefined: the configured default cluster. */
  cluster?: string;
  components: JobRequest[];
  user?: string;
  jobId?: string;
  jobName?: string;
  /** A backdated check (rulings 18). Undefined: now. Without a zone: on the clocks of the cluster. */
  at?: Instant;
  details?: Record<string, unknown>;
  /** For the advisor; it is not kept. */
  jobScript?: string;
  /** A hook asks: whether its cluster enforces the answer is recorded with the decision. */
  isSubmission?: true;
}

/**
 * What `ledger.decisions.request` keeps of a check, as JSON: at least these fields of the `CheckRequest`, in these words.
 * Job stories read the time limit, the resources and the number of array tasks from it; where `wallSeconds` is missing the
 * partition's default or maximum stands in. Component n is the n-th hold of its group by hold_no.
 */
export type StoredRequest = Pick<CheckRequest, 'account' | 'components' | 'user' | 'jobId' | 'jobName'> & {
  cluster: string;
};

/** The answer to a check, a yes or a no, exactly as it was first given (also when it is replayed). */
export interface Decision {
  available: boolean;
  /** 'placed', or why not. */
  code: 'placed' | FaultCode;
  /** The whole sentence for the user; begins with ASBB's words. */
  message: string;
  /** Of a submission: whether the answer was to be applied. */
  mode?: Enforcement;
  account: string;
  unit: string;
  cluster: string;
  clusterTimeZone: string;
  holdId?: TransactionId;
  /** Heterogeneous jobs: one id a component, the first is `holdId`. */
  componentHoldIds?: TransactionId[];
  estimatedCost: Micro;
  holdAmount: Micro;
  holdMultiplier: string;
  /** After this hold (yes), or now (no). */
  remaining: Micro;
  /** Before this hold. */
  balance: Micro;
  /** Held in the account, this hold included. */
  held: Micro;
  partitionUsed?: Micro;
  partitionLimit?: Micro;
  /** How the estimate was made, line by line, and with what confidence (0-1). */
  estimate: EstimateNote;
  /** Facts of a no: which limit, by how much, what would fit, when the next money arrives. Amounts are decimal strings. */
  explanation?: Facts;
  at: Instant;
  /** How `at` was read, where the clocks of the cluster left a doubt (rulings 17). */
  note?: string;
  replayed: boolean;
  /** Keys of spares that are held. */
  spares?: string[];
}

/** How an estimate was made, and whether an advisor, where there is one, had a part in it. */
export type EstimateNote = Pick<Estimate, 'method' | 'confidence' | 'recommendation' | 'lines' | 'unbilled'> & {
  advisor?: AdviceNote;
};

/** One job, or one component of it, of which somebody outside knows better what it costs. A single array task. */
export interface AdvisorQuestion {
  account: string;
  unit: string;
  partition: string;
  nodes: number;
  cpus: number;
  gpus: number;
  memoryMib: number;
  wallSeconds: number;
  jobScript?: string;
  /** Of a backdated check. Undefined: now. */
  at?: Instant;
}

/** Somebody outside. Admission asks before it queues for the ledger, with nothing locked and no connection taken. */
export interface Advisor {
  policy: AdvicePolicy;
  /** Never rejects, and answers within the time that whoever waits for it has: a scheduler's is short. */
  advise(question: AdvisorQuestion, waiting: 'check' | 'estimate'): Promise<Advice>;
}

/** A job whose hold is exchanged, or one task of an array, which becomes a job of its own. */
export interface ChangedJob {
  jobId: string;
  submittedAt?: Instant;
  task?: string;
  /** How many tasks the hold has still to pay for, with this one. */
  tasksLeft?: number;
}

/** Keys of further holds for the same request, each to be used within so many seconds or not at all. */
export interface Spares {
  keys: readonly string[];
  seconds: number;
}

export interface Admission {
  /**
   * Places the hold or says why not; batched with whatever else is waiting. `account_not_found`, `cluster_not_found`, `partition_not_found`, `key_reused`.
   * Spares are held where there is money in plenty; the answer names those that are.
   */
  check(request: CheckRequest, caller: Caller, spares?: Spares): Promise<Decision>;
  /**
   * Moves a job to a hold of its own for what it asks for now, or says why not and leaves it the one it has. In shadow mode
   * it moves in any case. The same faults as a check, and `hold_not_found`.
   */
  exchange(holdId: string, request: CheckRequest, job: ChangedJob, caller: Caller): Promise<Decision>;
  /** The same answer without writing anything. */
  estimate(request: CheckRequest): Promise<Decision>;
}
