/** Do the books balance, and is what was written as it was? Proofs read everything, so they may outlast the request for them. */
import { type Context, Hono } from 'hono';
import type { BegunAudit } from '../../ledger/contract';
import type { ApiDeps, ApiEnv } from '../env';
import { operation } from '../operation';
import { answerPage, pageOf } from '../paging';
import { renderAudit, renderBooks, renderSeals } from '../render/audit';
import { AuditAnswer, AuditListQuery, AuditPath, BooksAnswer, SealAnswer, SealQuery } from '../schemas/audit';
import { DEADLINE_MS, soon } from '../time-limit';

const tag = 'Audit';

const LATER =
  'What takes longer than five seconds, or three quarters of `service.write_timeout`, is answered with 202 and goes on; `Location` leads to what becomes of it.';

/** Well within what callers wait for an answer, however long the server may take. */
const PATIENCE_MS = 5_000;

export function auditRoutes({ ledger: { audit }, log, deadlineMs = DEADLINE_MS }: ApiDeps) {
  /** The report where it comes while somebody waits for it, else where it will be. */
  async function reportOrPlace<Report, Rendered extends object>(
    c: Context,
    { auditNo, report }: BegunAudit<Report>,
    render: (report: Report) => Rendered,
  ) {
    const inTime = await soon(Math.min(PATIENCE_MS, deadlineMs * 0.75), report);
    if (inTime !== undefined) return c.json(render(inTime));
    report.catch((error: unknown) => log.warn({ err: error, auditNo }, 'audit not finished'));
    c.header('Location', `/api/v1/audits/${auditNo}`);
    return c.json(renderAudit(await audit.find(auditNo)), 202);
  }

  return new Hono<ApiEnv>()
    .get(
      '/audit',
      operation({
        id: 'runAudit',
        tag,
        summary: 'Proves every balance from the entries.',
        description: LATER,
        answer: BooksAnswer,
        later: AuditAnswer,
      }),
      async (c) => reportOrPlace(c, await audit.beginBooks(), renderBooks),
    )
    .get(
      '/audit/seals',
      operation({
        id: 'verifySeals',
        tag,
        summary: 'Walks the chain of hashes and names the first row that was tampered with.',
        description: LATER,
        query: SealQuery,
        answer: SealAnswer,
        later: AuditAnswer,
      }),
      async (c) => reportOrPlace(c, await audit.beginSeals(c.var.input.query.against?.toLowerCase()), renderSeals),
    )
    .get(
      '/audits',
      operation({
        id: 'listAudits',
        tag,
        summary: 'What was proved and what is being proved, the newest first.',
        description: 'The books are also proved by themselves, every hour.',
        query: AuditListQuery,
        answer: AuditAnswer.array(),
        paged: true,
      }),
      async (c) => {
        const { kind, ...page } = c.var.input.query;
        return answerPage(c, await audit.list(kind, pageOf(page)), renderAudit);
      },
    )
    .get(
      '/audits/:audit_no',
      operation({
        id: 'readAudit',
        tag,
        summary: 'What became of an audit.',
        path: AuditPath,
        answer: AuditAnswer,
        faults: ['audit_not_found'],
      }),
      async (c) => c.json(renderAudit(await audit.find(c.var.input.path.audit_no))),
    );
}
