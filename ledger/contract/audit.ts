/** The proof of the books. */
import type { Instant } from '../../domain/time';
import type { Page, Paged } from './asking';

export interface BooksReport {
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

export type AuditKind = 'books' | 'seals';

/** A proof that goes on whether or not anybody waits for it. */
export interface BegunAudit<Report> {
  auditNo: number;
  report: Promise<Report>;
}

export interface AuditRecord {
  auditNo: number;
  kind: AuditKind;
  /** `lost`: nobody has been heard of who is at it; its process ended, or its database went away. */
  status: 'running' | 'finished' | 'failed' | 'lost';
  /** When it began to read; until then, when it was asked for. */
  startedAt: Instant;
  finishedAt?: Instant;
  /** Of a finished one, the report of its kind. */
  books?: BooksReport;
  seals?: SealReport;
  /** Of a failed one. */
  failure?: string;
}

export interface LatestAudit {
  auditNo: number;
  finishedAt: Instant;
  report: BooksReport;
}

export interface Audit {
  /** Every balance recomputed from the entries, every invariant of docs/ledger.md checked, in one snapshot. */
  beginBooks(): Promise<BegunAudit<BooksReport>>;
  /** The chain of seals, and whether the head `against` is in it. `malformed_request`. */
  beginSeals(against?: string): Promise<BegunAudit<SealReport>>;
  /** What became of one. `audit_not_found`. */
  find(auditNo: number): Promise<AuditRecord>;
  list(kind: AuditKind | undefined, page: Page): Promise<Paged<AuditRecord>>;
  /** Begins, and waits for the report. */
  run(): Promise<BooksReport>;
  /** The same, unless a process of this site proved the books less than `everyMs` ago, or is at it. */
  runIfDue(everyMs: number): Promise<BooksReport | undefined>;
  /** What came of the last proof of the books, whoever ran it; undefined before the first. */
  latest(): Promise<LatestAudit | undefined>;
  verify(against?: string): Promise<SealReport>;
  /** Seals everything below the oldest running transaction, in batches. Returns how many were sealed. */
  seal(limit?: number): Promise<number>;
}
