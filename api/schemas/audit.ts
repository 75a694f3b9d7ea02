/** The proof of the books and of the chain of seals, and what became of one. */
import { z } from 'zod';
import { Count, integer, pageQuery, Time } from './wire';

export const BooksAnswer = z
  .object({
    ok: z.boolean().describe('Nothing was found.'),
    difference: z.string().describe('Sum of all differences between balances and entries; "0".'),
    findings: z
      .array(
        z.object({
          check: z.string().describe('What should always hold.'),
          subject: z.string().describe('What it does not hold for.'),
          detail: z.string().describe('By how much, or how.'),
        }),
      )
      .describe('Everything that is wrong.'),
    accounts: Count.describe('How many were computed again.'),
    transactions: Count.describe('How many there are.'),
    open_holds: Count.describe('How many there are.'),
  })
  .meta({ id: 'BooksReport' });

export const SealQuery = z.object({
  against: z
    .string()
    .regex(/^[0-9a-f]{64}$/i, 'must be a head hash: 64 hexadecimal digits')
    .optional()
    .describe('A head that was kept elsewhere; it must be in the chain.'),
});

export const SealAnswer = z
  .object({
    ok: z.boolean().describe('Nothing was changed behind the ledger.'),
    head: z.string().describe('Keep it elsewhere.'),
    sealed: Count.describe('Transactions in the chain.'),
    unsealed: Count.describe('Transactions that are too new to be in it.'),
    first_tampered: z
      .object({
        txn_no: Count.describe('Its number.'),
        transaction_id: z.string().optional().describe('Its id, where it is still there.'),
        detail: z.string().describe('What was changed.'),
      })
      .optional()
      .describe('The oldest transaction that is not as it was.'),
  })
  .meta({ id: 'SealReport' });

const Kind = z
  .enum(['books', 'seals'])
  .describe('books: every balance computed again; seals: the chain of hashes walked.');

export const AuditListQuery = z.object({
  kind: Kind.optional(),
  ...pageQuery,
});

export const AuditPath = z.object({ audit_no: integer(1, 2_147_483_647).describe('The number of the audit.') });

export const AuditAnswer = z
  .object({
    audit_no: Count.describe('Its number.'),
    kind: Kind,
    status: z
      .enum(['running', 'finished', 'failed', 'lost'])
      .describe('lost: nobody has been heard of who is at it; its server ended, or its database went away.'),
    started_at: Time.describe('When it began to read; until then, when it was asked for.'),
    finished_at: Time.optional().describe('When it was through, or broke off.'),
    books: BooksAnswer.optional().describe('Of a finished audit of the books.'),
    seals: SealAnswer.optional().describe('Of a finished audit of the seals.'),
    failure: z.string().optional().describe('Of a failed one: why it has no report.'),
  })
  .meta({ id: 'Audit' });
