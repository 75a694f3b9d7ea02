/** What was proved, as it is answered. */
import type { z } from 'zod';
import type { AuditRecord, BooksReport, SealReport } from '../../ledger/contract';
import type { AuditAnswer, BooksAnswer, SealAnswer } from '../schemas/audit';

export const renderBooks = ({ openHolds, ...report }: BooksReport): z.infer<typeof BooksAnswer> => ({
  ...report,
  open_holds: openHolds,
});

export const renderSeals = ({ firstTampered, ...report }: SealReport): z.infer<typeof SealAnswer> => ({
  ...report,
  ...(firstTampered && {
    first_tampered: {
      txn_no: firstTampered.txnNo,
      transaction_id: firstTampered.transactionId,
      detail: firstTampered.detail,
    },
  }),
});

export const renderAudit = (record: AuditRecord): z.infer<typeof AuditAnswer> => ({
  audit_no: record.auditNo,
  kind: record.kind,
  status: record.status,
  started_at: record.startedAt,
  finished_at: record.finishedAt,
  books: record.books && renderBooks(record.books),
  seals: record.seals && renderSeals(record.seals),
  failure: record.failure,
});
