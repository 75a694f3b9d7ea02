/** Books that come from elsewhere. Amounts in reports are `Micro`; nothing here is on a hot path. */
import type { Micro } from '../../domain/money';
import type { Instant } from '../../domain/time';

/** What an import says it is doing, every second or so. */
export interface Progress {
  step: string;
  done: number;
  of?: number;
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
}

/** Why a finding is one; `FINDINGS` in ledger/imports/asbb.ts says each in words. */
export type AsbbFindingKind =
  | 'used_was_wrong'
  | 'held_was_wrong'
  | 'never_released'
  | 'still_open'
  | 'charged_twice'
  | 'charged_again'
  | 'negative_charge'
  | 'charge_above_hold'
  | 'charge_without_hold'
  | 'without_effect'
  | 'refund_beyond_charge'
  | 'overspent'
  | 'status_changed'
  | 'came_later';

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
