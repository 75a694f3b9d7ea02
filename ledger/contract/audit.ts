/** The proof of the books. */
import type { Instant } from '../../domain/time';

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

export interface LatestAudit {
  auditNo: number;
  finishedAt: Instant;
  report: AuditReport;
}

export interface Audit {
  /** Every balance recomputed from the entries, every invariant of docs/ledger.md checked, in one snapshot. */
  run(): Promise<AuditReport>;
  /** The same, unless a process of this site proved the books less than `everyMs` ago, or is at it. */
  runIfDue(everyMs: number): Promise<AuditReport | undefined>;
  /** What came of the last one, whoever ran it; undefined before the first. */
  latest(): Promise<LatestAudit | undefined>;
  /** Seals everything below the oldest running transaction, in batches. Returns how many were sealed. */
  seal(limit?: number): Promise<number>;
  verify(against?: string): Promise<SealReport>;
}
