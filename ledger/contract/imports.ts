/** Books that come from elsewhere. Amounts in reports are `Micro`; nothing here is on a hot path. */
import type { AsbbTransactionFinding } from '../../domain/asbb-findings';
import type { Fault } from '../../domain/faults';
import type { Micro } from '../../domain/money';
import type { NoRun } from '../../domain/sacct-runs';
import type { CivilDate, Instant } from '../../domain/time';

/** What an import says it is doing, every second or so. */
export interface Progress {
  step: string;
  done: number;
  of?: number;
  /** How much of it lies behind, from 0 to 1, where only that is known. */
  part?: number;
}

export interface AsbbSettings {
  /** ASBB counts in dollars and does not say so. */
  unit: string;
  /** ASBB knows no clusters: the one that all its jobs ran on. */
  cluster: string;
  /** Of the accounts. Default: the cluster's. */
  timeZone?: string;
  /** Also post corrections of what ASBB charged twice, and of what negative charges gave. */
  correct: boolean;
  /** It will be booked, and not only looked at: into an empty ledger it is written as it is read. */
  apply: boolean;
}

/** Why a finding is one; `FINDINGS` in ledger/imports/asbb-report.ts says each in words. */
export type AsbbFindingKind =
  AsbbTransactionFinding | 'used_was_wrong' | 'held_was_wrong' | 'overspent' | 'status_changed' | 'came_later';

export interface AsbbFinding {
  kind: AsbbFindingKind;
  account: string;
  transactionId?: string;
  jobId?: string;
  at?: Instant;
  amount?: Micro;
  detail: string;
}

/** How one account stands in ASBB's own columns, and how it stands by its transactions. */
export interface AsbbBalance {
  account: string;
  limit: Micro;
  asbbUsed: Micro;
  asbbHeld: Micro;
  asbbAvailable: Micro;
  used: Micro;
  held: Micro;
  available: Micro;
}

export interface AsbbPlan {
  database: string;
  unit: string;
  cluster: string;
  /** It is made when this is applied. */
  clusterIsNew: boolean;
  timeZone: string;
  correct: boolean;
  /** What is young and what is old is judged by this moment. */
  at: Instant;
  /** An earlier run of this import died; this one goes on from there. */
  resumes: boolean;
  accounts: number;
  /** Of them, those that were imported before and stay as they are. */
  accountsHere: number;
  transactions: number;
  limits: number;
  /** Of holds that ASBB never released. */
  moneyBack: Micro;
  findings: Partial<Record<AsbbFindingKind, { count: number; amount: Micro }>>;
  leftBehind: { what: string; name: string; detail: string }[];
  /** Why it cannot be imported; empty where it can. */
  problems: { subject: string; problem: string }[];
}

export interface Imported {
  accounts: number;
  transactions: number;
}

/** A mistake in a file, and where. */
export interface FileMistake {
  line: number;
  field: string;
  mistake: string;
}

/** One line of a file of accounts, understood. */
export type AccountLine =
  | {
      kind: 'account';
      line: number;
      name: string;
      title: string;
      description?: string;
      unit: string;
      timeZone: string;
      status: 'active' | 'inactive' | 'suspended';
      limit: Micro;
      /** What was used of it before: one charge, which no job stands behind. */
      used: Micro;
      startsAt: Instant;
      endsAt: Instant;
      parent?: string;
      subtreeLimit?: Micro;
      overdraftLimit?: Micro;
    }
  | { kind: 'limit'; line: number; name: string; partition?: string; user?: string; limit: Micro };

export interface AccountsPlan {
  /** Accounts in the file, and those of them that an earlier run made from the same lines. */
  accounts: number;
  accountsHere: number;
  limits: number;
  totals: { unit: string; limit: Micro; used: Micro }[];
  /** The first of them, by line. */
  mistakes: FileMistake[];
  mistakesInAll: number;
}

// Accounting logs -------------------------------------------------------------------------------------------------------

/** A piece of a log, always the same for the same log. */
export interface LogChunk {
  /** Of what it says. */
  digest: Buffer;
  /** The number of its first line, or record. */
  line: number;
  /** Lines as they were written, or rows that were taken apart, or why they could not be. */
  rows: readonly string[] | readonly (readonly string[] | Fault)[];
  /** How much of the log lies behind its end, from 0 to 1, where anybody can tell. */
  progress?: number;
}

export interface SacctLog {
  /** For people. */
  name: string;
  chunks: AsyncIterable<LogChunk>;
  /** Columns in order, where no header names them. */
  columns?: readonly string[];
}

/** What becomes of accounts that the log names and Bursar does not have. */
export type NewAccounts =
  { policy: 'leave' } | { policy: 'create'; unit: string; start: CivilDate; end: CivilDate; budget: Micro };

export interface SacctSettings {
  cluster: string;
  /** What the log calls that cluster. Undefined: rows of any are taken. */
  logCluster?: string;
  /** The log's name of an account → Bursar's; '' leaves its runs out. */
  accountMap: ReadonlyMap<string, string>;
  newAccounts: NewAccounts;
  /** Money moves. */
  charge: boolean;
  /** False: a dry run. */
  apply: boolean;
}

/** One thing that somebody should look at. */
export interface SacctFinding {
  kind: 'unreadable' | 'unpriced' | 'unknown_account' | 'still_running' | 'uncertain_time';
  line: number;
  jobId?: string;
  account?: string;
  detail: string;
}

export interface SacctResult {
  cluster: string;
  timeZone: string;
  /** An earlier run of the same log went so far; its rows were not read again. */
  rowsPassedOver: number;
  rows: number;
  /** Runs that are over, of accounts that there are. */
  runs: number;
  /** Rows of runs that the log has named before: counted once. */
  repeats: number;
  /** Of the runs, those that nobody knew. */
  fresh: number;
  /** Of them, those that Bursar has a charge for: reports count that. */
  charged: number;
  noRuns: Partial<Record<NoRun, number>>;
  unreadable: number;
  unpriced: number;
  /** Left out by the account map. */
  leftOut: number;
  uncertainTimes: number;
  cpuSeconds: number;
  gpuSeconds: number;
  nodeSeconds: number;
  firstStart?: Instant;
  lastEnd?: Instant;
  users: number;
  /** Accounts of the log that Bursar does not have, with their runs. */
  unknownAccounts: { account: string; runs: number }[];
  /** Made, or to be made. */
  newAccounts: string[];
  otherClusters: string[];
  /** Why runs have no price, the most frequent first. */
  gaps: { detail: string; runs: number }[];
  /** What was charged, or would be, by unit. `followed` wait for their own story; `exempt` are charged to nobody. */
  late?: {
    runs: number;
    followed: number;
    exempt: number;
    totals: { unit: string; amount: Micro }[];
    /** What of it was given back, or would be, because of how the runs ended. */
    refunds: { runs: number; totals: { unit: string; amount: Micro }[] };
  };
}
