/**
 * What the rest of Bursar may ask of the ledger: the words, the shapes, the guarantees. No SQL and no wire format here.
 *
 * Amounts are `Micro` everywhere inside. Times are RFC 3339 strings with microseconds in UTC (`Instant`), never `Date`,
 * which loses microseconds. Every method may throw `Fault('ledger_unavailable')`; the others it throws are named with it.
 */
import type { FaultCode, Facts } from '../domain/faults';
import type { TransactionId, FundId } from '../domain/ids';
import type { EndState, JobEventType, JobRequest, JobState, Resources } from '../domain/job';
import type { Micro } from '../domain/money';

export type Instant = string;

/** Who asks, and the key that makes the asking idempotent (rulings 9). `bodyHash` is of the parsed body. */
export interface Caller {
  principal: string;
  key?: string;
  bodyHash?: Uint8Array;
}

export interface Page {
  limit: number;
  offset?: number;
  /** Opaque: the `nextCursor` of the page before. */
  cursor?: string;
}
export interface Paged<T> {
  rows: T[];
  nextCursor?: string;
}

// Admission ------------------------------------------------------------------------------------------------------------

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
}

export interface EstimateNote {
  method: 'rates' | 'asbb-compat' | 'unpriced';
  confidence: number;
  recommendation?: string;
  lines: string[];
  /** What costs nothing: kinds that have no rate on this cluster, and TRES that no rate can be for. */
  unbilled: string[];
}

export interface Admission {
  /** Places the hold or says why not; batched with whatever else is waiting. `account_not_found`, `cluster_not_found`, `partition_not_found`, `key_reused`. */
  check(request: CheckRequest, caller: Caller): Promise<Decision>;
  /** The same answer without writing anything. */
  estimate(request: CheckRequest): Promise<Decision>;
}

// Holds ----------------------------------------------------------------------------------------------------------------

export interface Hold {
  holdId: TransactionId;
  key?: string;
  account: string;
  unit: string;
  cluster: string;
  partition: string;
  user?: string;
  status: 'open' | 'settled' | 'released';
  /** placed + resized = held + chargedFromHold + released, at any time. */
  placed: Micro;
  /** What resizes added, less what they gave back. */
  resized: Micro;
  held: Micro;
  /** All of its charges with their corrections: those beyond the hold too. */
  charged: Micro;
  /** What charges took out of the hold. */
  chargedFromHold: Micro;
  /** What was given back when the hold was closed. */
  released: Micro;
  late: boolean;
  overdueAt?: Instant;
  effectiveAt: Instant;
  placedAt: Instant;
  closedAt?: Instant;
  group?: TransactionId;
  /** The scheduler's id of the job, once an event has bound it. */
  jobId?: string;
  parts: { fundId: FundId; source: string; held: Micro }[];
}

export interface Holds {
  /** `hold_not_found`. */
  read(holdId: string): Promise<Hold>;
  /** By the caller's idempotency key. `hold_not_found`. */
  findByKey(principal: string, key: string): Promise<Hold>;
  /** `account_not_found`. */
  list(
    filter: {
      account?: string;
      cluster?: string;
      user?: string;
      status?: Hold['status'];
      overdue?: boolean;
      late?: boolean;
    },
    page: Page,
  ): Promise<Paged<Hold>>;
  /** Sets what is held to `amount`: more passes every limit or fails with its refusal, less gives back. `hold_closed`. */
  resize(holdId: string, amount: Micro, reason: string, caller: Caller): Promise<Hold>;
  /** Closes the hold and gives all that is left of it back. A closed hold is answered as it is. */
  release(holdId: string, reason: string, caller: Caller): Promise<Hold>;
}

// Movements ------------------------------------------------------------------------------------------------------------

export type TransactionKind =
  'deposit' | 'withdrawal' | 'transfer' | 'hold' | 'resize' | 'charge' | 'release' | 'refund' | 'adjustment' | 'expiry';

export interface Transaction {
  id: number;
  transactionId: TransactionId;
  kind: TransactionKind;
  /** As seen from `account`: money that becomes available comes in. */
  direction: 'in' | 'out';
  account: string;
  accountNo: number;
  unit: string;
  amount: Micro;
  description: string;
  metadata?: unknown;
  actor: string;
  jobId?: string;
  cluster?: string;
  partition?: string;
  user?: string;
  /** The hold of a charge or release, the charge of a refund or adjustment. */
  parentId?: TransactionId;
  /** ASBB's word: holds past the reconciliation timeout are 'pending', all else is 'completed'. */
  status: 'pending' | 'completed' | 'cancelled';
  effectiveAt: Instant;
  recordedAt: Instant;
  entries?: {
    account: string;
    fundId: FundId;
    book: 'available' | 'held' | 'settled' | 'expired' | 'outside';
    amount: Micro;
  }[];
}

export interface DepositRequest {
  account: string;
  amount: Micro;
  unit?: string;
  /** A window of its own makes a fund of its own; without one the money joins the base fund (the account's window). */
  opensAt?: Instant;
  closesAt?: Instant;
  fundId?: string;
  source?: 'manual' | 'allocation' | 'grant_period' | 'carry_forward';
  label?: string;
  description?: string;
  effectiveAt?: Instant;
}

export interface Movements {
  /** `account_not_found`, `fund_not_found`, `unit_mismatch`, `ceiling_exceeded`, `key_reused`. */
  deposit(request: DepositRequest, caller: Caller): Promise<Transaction>;
  /** Takes free money only, soonest-to-expire last, or from `fundId`. `insufficient_budget`. */
  withdraw(
    request: { account: string; amount: Micro; unit?: string; fundId?: string; description?: string },
    caller: Caller,
  ): Promise<Transaction>;
  /** Free money of one account to another of the same unit; it keeps its window unless one is given. */
  transfer(
    request: {
      from: string;
      to: string;
      amount: Micro;
      unit?: string;
      opensAt?: Instant;
      closesAt?: Instant;
      description?: string;
    },
    caller: Caller,
  ): Promise<Transaction>;
  /** Gives back part of a charge, never more than the charge, however many refunds. `refund_exceeds_charge`. */
  refund(request: { transactionId: string; amount: Micro; description?: string }, caller: Caller): Promise<Transaction>;
  /** Changes a charge by `amount` (signed), visibly. */
  adjust(request: { transactionId: string; amount: Micro; description: string }, caller: Caller): Promise<Transaction>;
  /** Expires the free money of every fund whose window has ended; idempotent; returns how many funds lost money. */
  expireFunds(): Promise<number>;
  /** `account_not_found`. */
  list(
    filter: {
      account?: string;
      jobId?: string;
      cluster?: string;
      /** Of these kinds; none of them where the list is empty. */
      kinds?: readonly TransactionKind[];
      status?: string;
      user?: string;
      holdId?: string;
      from?: Instant;
      to?: Instant;
    },
    page: Page,
  ): Promise<Paged<Transaction>>;
  /** With its entries. `transaction_not_found`. */
  read(transactionId: string): Promise<Transaction>;
}

// Accounts -------------------------------------------------------------------------------------------------------------

export interface Account {
  accountNo: number;
  name: string;
  title: string;
  description: string;
  unit: string;
  timeZone: string;
  status: 'active' | 'inactive' | 'suspended' | 'expired';
  startsAt: Instant;
  endsAt: Instant;
  parent?: string;
  subtreeLimit?: Micro;
  onExhaustion: 'deny' | 'overdraft';
  overdraftLimit: Micro;
  onRequeueShortfall: 'run_on' | 'hold_job' | 'cancel';
  holdMultiplier?: string;
  overspentAt?: Instant;
  createdAt: Instant;
  updatedAt: Instant;
  archivedAt?: Instant;
  /** The identity of rulings 5 at this moment: available = granted - settled - held. */
  granted: Micro;
  settled: Micro;
  held: Micro;
  available: Micro;
}

export interface AccountSettings {
  title: string;
  description: string;
  timeZone: string;
  status: 'active' | 'inactive' | 'suspended';
  startsAt: Instant;
  endsAt: Instant;
  parent: string | null;
  subtreeLimit: Micro | null;
  onExhaustion: 'deny' | 'overdraft';
  overdraftLimit: Micro;
  onRequeueShortfall: 'run_on' | 'hold_job' | 'cancel';
  /** Decimal string, e.g. '1.2'; null: the cluster's. */
  holdMultiplier: string | null;
  /** Deposits or withdraws the difference in the base fund (rulings 6). */
  budgetLimit: Micro;
}

export interface Balance {
  account: string;
  unit: string;
  timeZone: string;
  at: Instant;
  granted: Micro;
  settled: Micro;
  held: Micro;
  /** min(accrued by running jobs, held); committed = held - inFlight. */
  inFlight: Micro;
  committed: Micro;
  available: Micro;
  /** What running jobs have accrued beyond their holds; changes nothing until it is settled. */
  overHold: Micro;
  overdraftUsed: Micro;
  overdraftLimit: Micro;
  /** Money in funds that have not opened yet; not part of granted. */
  upcoming: Micro;
  /** granted - settled - inFlight - committed - available; zero. */
  difference: Micro;
  nextMoneyAt?: Instant;
  funds: Fund[];
  subtree?: { settled: Micro; held: Micro; limit?: Micro };
  limits: Limit[];
}

export interface Fund {
  fundId: FundId;
  source: string;
  label: string;
  opensAt: Instant;
  closesAt: Instant | null;
  /** `expired`: its window has ended, and its free money is nobody's any more, booked or not yet. */
  status: 'upcoming' | 'open' | 'expired';
  granted: Micro;
  settled: Micro;
  held: Micro;
  available: Micro;
}

export interface Limit {
  partition?: string;
  user?: string;
  limit: Micro;
  settled: Micro;
  held: Micro;
  remaining: Micro;
  opensAt?: Instant;
  closesAt?: Instant;
}

export interface Statement {
  account: string;
  unit: string;
  timeZone: string;
  from: Instant;
  to: Instant;
  opening: { granted: Micro; settled: Micro; held: Micro; available: Micro };
  lines: {
    at: Instant;
    transactionId: TransactionId;
    kind: TransactionKind;
    description: string;
    jobId?: string;
    user?: string;
    granted: Micro;
    settled: Micro;
    held: Micro;
    available: Micro;
  }[];
  closing: { granted: Micro; settled: Micro; held: Micro; available: Micro };
}

export interface Accounts {
  /** `account_exists`, `account_not_found` (parent), `invalid_parent`. */
  create(
    request: { name: string; unit: string } & Pick<AccountSettings, 'title' | 'startsAt' | 'endsAt'> &
      Partial<AccountSettings>,
    caller: Caller,
  ): Promise<Account>;
  update(name: string, changes: Partial<AccountSettings>, caller: Caller): Promise<Account>;
  read(name: string): Promise<Account>;
  list(filter: { status?: string; parent?: string; archived?: boolean }, page: Page): Promise<Paged<Account>>;
  /** 409 `holds_open` while holds are open; the name stays taken. */
  archive(name: string, caller: Caller): Promise<void>;
  unarchive(name: string, caller: Caller): Promise<Account>;
  balance(name: string, at?: Instant): Promise<Balance>;
  statement(name: string, from: Instant, to: Instant): Promise<Statement>;
  funds(name: string): Promise<Fund[]>;
  limits(name: string): Promise<Limit[]>;
  /** Makes or changes the cap of a partition, a user ('*': every user), or a user in a partition. */
  setLimit(
    name: string,
    limit: { partition?: string; user?: string; limit: Micro; opensAt?: Instant; closesAt?: Instant },
    caller: Caller,
  ): Promise<Limit>;
  removeLimit(name: string, which: { partition?: string; user?: string }, caller: Caller): Promise<void>;
}

// Catalog --------------------------------------------------------------------------------------------------------------

export interface Cluster {
  name: string;
  timeZone: string;
  defaultPartition?: string;
  failurePolicy: 'open' | 'closed';
  costSource: 'usage' | 'reported';
  unpriced: 'deny' | 'allow';
  pricePreset: 'asbb-compat' | 'none';
  /** Decimal string, e.g. '1.2'. */
  holdMultiplier: string;
  holdCap?: Micro;
  minimumCharge: Micro;
  endGraceSeconds: number;
  reconciliationTimeoutSeconds: number;
  partitions: Partition[];
}

export interface Partition {
  name: string;
  maxTimeSeconds?: number;
  defaultTimeSeconds?: number;
  /** Decimal string; multiplies the cost. */
  queueWeight: string;
  costSource?: 'usage' | 'reported';
  failurePolicy?: 'open' | 'closed';
}

export interface Rate {
  rateNo: number;
  cluster: string;
  partition?: string;
  /** 'node' | 'cpu' | 'mem' (per GiB) | 'gpu' | 'gpu:<model>' */
  resource: string;
  unit: string;
  /** Per resource-hour. */
  rate: Micro;
  startsAt: Instant;
  endsAt: Instant | null;
  source: string;
}

/** Everything that prices are made from, with the version that admission checks it against. */
export interface PriceBook {
  version: bigint;
  clusters: ReadonlyMap<string, Cluster & { clusterNo: number }>;
  rates: readonly Rate[];
}

/** What can be set of a cluster; null takes a setting away. */
export type ClusterSettings = Omit<Cluster, 'name' | 'partitions' | 'defaultPartition' | 'holdCap'> & {
  defaultPartition: string | null;
  holdCap: Micro | null;
};

export interface Catalog {
  /** `cluster_exists`. */
  createCluster(
    name: string,
    settings: Partial<ClusterSettings> & Pick<ClusterSettings, 'timeZone'>,
    caller: Caller,
  ): Promise<Cluster>;
  /** Makes the cluster or changes what is given. A new one needs its zone (`malformed_request`). */
  putCluster(name: string, settings: Partial<ClusterSettings>, caller: Caller): Promise<Cluster>;
  /** `cluster_not_found`. */
  readCluster(name: string): Promise<Cluster>;
  listClusters(): Promise<Cluster[]>;
  /** The whole partition as it shall be. `cluster_not_found`. */
  putPartition(cluster: string, partition: Partition, caller: Caller): Promise<Partition>;
  removePartition(cluster: string, partition: string, caller: Caller): Promise<void>;
  /** Ends the rate in force at `startsAt`, if any, and starts this one. `rate_overlaps` where a later one exists and `endsAt` is missing. */
  setRate(rate: Omit<Rate, 'rateNo'>, caller: Caller): Promise<Rate>;
  /** Ends a rate; one that has not begun yet goes away whole. `rate_not_found`, `rate_overlaps` where it ended before. */
  endRate(rateNo: number, endsAt: Instant, caller: Caller): Promise<Rate>;
  listRates(
    filter: { cluster?: string; partition?: string; resource?: string; at?: Instant },
    page: Page,
  ): Promise<Paged<Rate>>;
  /** Of now: costs one short query, and a reading where something changed. */
  priceBook(): Promise<PriceBook>;
}

// Jobs -----------------------------------------------------------------------------------------------------------------

/**
 * One thing that happened to a job, as a scheduler told it. Late, repeated and out of order are ordinary. Times without a
 * zone are on the clocks of the cluster.
 */
export interface JobEvent {
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
  user?: string;
  partition?: string;
  name?: string;
  endState?: EndState;
  exitCode?: number;
  resources?: Resources;
  timeLimitSeconds?: number;
  /** Seconds the run was suspended, where the scheduler says so in one number. */
  suspendedSeconds?: number;
  /** The numeral as received. */
  cost?: string;
  correction?: boolean;
  raw?: unknown;
}

export interface EventReceipt {
  status: 'recorded' | 'duplicate' | 'unmatched';
  cluster: string;
  jobId: string;
  holdId?: TransactionId;
  detail?: string;
  /** How a time of it was read, where the clocks of the cluster left a doubt (rulings 17). */
  note?: string;
}

export interface Run {
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
    source: 'usage' | 'reported' | 'provisional';
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

/** The whole story of a job: what was asked, decided, held, run, charged and returned, in order. */
export interface JobStory extends Omit<Job, 'state'> {
  /** `denied`: its check said no, and nothing was heard of it since. */
  state: JobState | 'denied';
  /** Of its hold; where no check placed one, the last refusal that named it. */
  decision?: JobDecision;
  hold?: Hold;
  runs: Run[];
  events: (Omit<JobEvent, 'raw'> & Pick<EventReceipt, 'note'> & { recordedAt: Instant })[];
  /** In the order in which they were written, which is the order of cause and effect within one moment. */
  transactions: Transaction[];
  waitsFor?: string;
  deadline?: Instant;
}

/** Where a held job's story stands, for its workflow. JSON-safe: amounts are decimal strings, times are epoch ms. */
export interface Chapter {
  holdId: string;
  cluster: string;
  account: string;
  jobId?: string;
  state: JobState;
  /** True once the hold is settled or released: the story is over. */
  closed: boolean;
  /** A sentence for the operator: what is waited for. */
  waitsFor: string;
  /** When to look again although nobody rang. Undefined once closed. */
  deadlineMs?: number;
  held: string;
  charged: string;
  released: string;
  unit: string;
  /** A requeue or a longer limit needed more than there was: the hold keeps what it has, and this is what to do (rulings 11). */
  shortfall?: {
    why: 'requeue' | 'walltime' | 'tasks';
    policy: 'run_on' | 'hold_job' | 'cancel';
    /** How much more was asked for. */
    requested: string;
    code: string;
  };
}

export interface Jobs {
  /** Stores events, binds them to holds (id, key, or the job they were bound to before), rings the stories. One receipt an event, in order. */
  recordEvents(events: JobEvent[], caller: Caller): Promise<EventReceipt[]>;
  /** `account_not_found`, unless a job names that account. */
  list(
    filter: {
      cluster?: string;
      account?: string;
      user?: string;
      state?: JobState;
      quarantined?: boolean;
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
    },
    caller: Caller,
  ): Promise<Reconciliation>;
}

export interface AdvanceOptions {
  /** The clock; default: the database's. */
  now?: Instant;
  /** Rulings 16: nobody to ask, could not be reached (keep the hold), or asked and its answer is among the events. Default 'absent'. */
  scheduler?: 'absent' | 'unreachable' | 'asked';
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

// Stories to be told, and the proof of the books -----------------------------------------------------------------------

export interface OutboxItem {
  outboxNo: bigint;
  kind: 'start' | 'ring';
  generation: number;
  holdId: string;
  cluster: string;
  account: string;
  jobId?: string;
  chapter: Chapter;
}

export interface Outbox {
  /** Leases up to `limit` items for `leaseMs`; several dispatchers never get the same one while the lease lasts. */
  claim(limit: number, leaseMs: number): Promise<OutboxItem[]>;
  done(outboxNos: bigint[]): Promise<void>;
  /** Puts an item back before its lease ends. */
  giveBack(outboxNos: bigint[]): Promise<void>;
  depth(): Promise<{ waiting: number; oldestSeconds: number }>;
}

export interface Recovery {
  /** Open holds that may have lost their story: overdue by their own deadline, with nothing in the outbox. Oldest first. */
  strays(limit: number): Promise<{ holdId: string; cluster: string; generation: number }[]>;
  /** Puts stories back into the outbox, with a generation where the workflow id is used up. */
  restart(items: { holdId: string; generation: number }[]): Promise<void>;
}

export interface AuditReport {
  ok: boolean;
  /** Sum of the absolute differences between balances and entries, decimal string; the metric that must be zero. */
  difference: string;
  findings: { check: string; subject: string; detail: string }[];
  accounts: number;
  transactions: number;
  openHolds: number;
}

export interface SealReport {
  ok: boolean;
  /** Head of the chain, hex, to be kept elsewhere. */
  head: string;
  sealed: number;
  unsealed: number;
  firstTampered?: { txnNo: number; transactionId?: string; detail: string };
}

export interface Audit {
  /** Every balance recomputed from the entries, every invariant of docs/ledger.md checked, in one snapshot. */
  run(): Promise<AuditReport>;
  /** Seals everything below the oldest running transaction, in batches. Returns how many were sealed. */
  seal(limit?: number): Promise<number>;
  verify(against?: string): Promise<SealReport>;
}

/** What the metrics show. */
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
  unsealed: number;
}

export interface Ledger {
  admission: Admission;
  holds: Holds;
  movements: Movements;
  accounts: Accounts;
  catalog: Catalog;
  jobs: Jobs;
  outbox: Outbox;
  recovery: Recovery;
  audit: Audit;
  figures(): Promise<Figures>;
  /** Is the database there, and does it have our schema, or a newer one? */
  health(): Promise<{ ok: boolean; schemaVersion?: number; detail?: string }>;
}
