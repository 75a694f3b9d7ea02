/**
 * The proof of the books: every balance computed again, and the hash chain over what was written walked. Neither is on a hot path.
 *
 * A proof reads everything, so it outlasts whoever asked for it: it has a number, under which its report is found later. Of each
 * kind a process is at one at a time. Who asks meanwhile gets the next one, together with all others who do: it has not begun to
 * read, so it sees what they have just done.
 */
import { Fault } from '../../domain/faults';
import type { Instant } from '../../domain/time';
import type { Sql } from '../../platform/postgres';
import type { Audit, AuditKind, AuditRecord, BegunAudit, BooksReport, LatestAudit, SealReport } from '../contract';
import { ask } from '../errors';
import { cursorOf, pageOf, rowsAsked } from '../paging';
import { proveBooks } from './books';
import { requireHead, seal, verifySeals } from './seals';

/** So often whoever is at a proof says so; ledger.audit_status calls it lost after six times that. */
const BEAT_MS = 10_000;

export function openAudit({ sql }: { sql: Sql }): Audit {
  const books = openQueue<BooksReport>(sql, 'books');
  const seals = openQueue<SealReport>(sql, 'seals');

  const beginBooks = () => books.begin('', () => proveBooks(sql));

  const beginSeals = async (against?: string) => {
    if (against !== undefined) requireHead(against);
    return seals.begin(against ?? '', () => verifySeals(sql, against));
  };

  return {
    beginBooks,
    beginSeals,
    run: async () => (await beginBooks()).report,
    verify: async (against) => (await beginSeals(against)).report,
    runIfDue: async (everyMs) => {
      const auditNo = await noteIfDue(sql, everyMs);
      return auditNo === null ? undefined : books.append(auditNo, () => proveBooks(sql));
    },
    find: (auditNo) => ask(() => find(sql, auditNo)),
    list: (kind, page) =>
      ask(async () => {
        const rows = await sql<AuditRow[]>`
          select ${columns(sql)} from ledger.audits a
          where (${kind ?? null}::text is null or a.kind = ${kind ?? null}) and a.audit_no < ${cursorOf(page)}
          order by a.audit_no desc
          limit ${rowsAsked(page)} offset ${page.offset ?? 0}`;
        const { rows: shown, ...next } = pageOf(rows, page, ({ auditNo }) => BigInt(auditNo));
        return { rows: shown.map(toRecord), ...next };
      }),
    latest: () => ask(() => latest(sql)),
    seal: (limit) => ask(() => seal(sql, limit ?? Number.MAX_SAFE_INTEGER)),
  };
}

interface Queue<Report> {
  /** What waits under this name, or else a proof of its own behind all others. */
  begin(name: string, prove: () => Promise<Report>): Promise<BegunAudit<Report>>;
  /** One that has its number already. */
  append(auditNo: number, prove: () => Promise<Report>): Promise<Report>;
}

function openQueue<Report extends object>(sql: Sql, kind: AuditKind): Queue<Report> {
  const waiting = new Map<string, Promise<BegunAudit<Report>>>();
  let last: Promise<unknown> = Promise.resolve();

  const queue: Queue<Report> = {
    begin(name, prove) {
      const joined = waiting.get(name);
      if (joined !== undefined) return joined;
      const leave = () => waiting.delete(name);
      const proveAlone = () => {
        leave();
        return prove();
      };
      const begun = note(sql, kind).then((auditNo) => ({ auditNo, report: queue.append(auditNo, proveAlone) }));
      waiting.set(name, begun);
      begun.catch(leave);
      return begun;
    },

    append(auditNo, prove) {
      const beat = setInterval(() => void sayAlive(sql, auditNo), BEAT_MS);
      const proveAndNote = async () => {
        try {
          await begin(sql, auditNo);
          const report = await ask(prove);
          await finish(sql, auditNo, report);
          return report;
        } catch (error) {
          await fail(sql, auditNo, error);
          throw error;
        } finally {
          clearInterval(beat);
        }
      };
      const report = last.then(proveAndNote);
      last = report.catch(() => undefined);
      return report;
    },
  };
  return queue;
}

// The record ----------------------------------------------------------------------------------------------------------------

async function note(sql: Sql, kind: AuditKind): Promise<number> {
  const [row] = await ask(
    () =>
      sql<
        { auditNo: number }[]
      >`insert into ledger.audits (kind) values (${kind}) returning audit_no::int as "auditNo"`,
  );
  if (!row) throw new Error('the audit has no number');
  return row.auditNo;
}

async function noteIfDue(sql: Sql, everyMs: number): Promise<number | null> {
  const [row] = await ask(
    () => sql<{ auditNo: number | null }[]>`
      select ledger.begin_audit(${everyMs}::float8 * interval '1 millisecond')::int as "auditNo"`,
  );
  return row?.auditNo ?? null;
}

/** That one beat is not heard does no harm. */
const sayAlive = (sql: Sql, auditNo: number): Promise<unknown> =>
  sql`update ledger.audits set heard_at = clock_timestamp() where audit_no = ${auditNo}`.catch(() => undefined);

/** What it waited for others is not its time. */
const begin = (sql: Sql, auditNo: number): Promise<unknown> =>
  ask(() => sql`update ledger.audits set started_at = clock_timestamp() where audit_no = ${auditNo}`);

const finish = (sql: Sql, auditNo: number, report: object): Promise<unknown> =>
  ask(
    () => sql`
      update ledger.audits set finished_at = clock_timestamp(), report = ${JSON.stringify(report)}::text::jsonb
      where audit_no = ${auditNo}`,
  );

/** Where this cannot be written either, it will be lost. */
function fail(sql: Sql, auditNo: number, error: unknown): Promise<unknown> {
  const why = error instanceof Fault ? error.message : 'It broke off; the log of the server says why.';
  return sql`
    update ledger.audits set finished_at = clock_timestamp(), failure = ${why} where audit_no = ${auditNo}`.catch(
    () => undefined,
  );
}

interface AuditRow {
  auditNo: number;
  kind: AuditKind;
  status: AuditRecord['status'];
  startedAt: Instant;
  finishedAt: Instant | null;
  report: BooksReport | SealReport | null;
  failure: string | null;
}

const columns = (sql: Sql) => sql`
  a.audit_no::int as "auditNo", a.kind, ledger.audit_status(a) as status, a.started_at as "startedAt",
  a.finished_at as "finishedAt", a.report, a.failure`;

const toRecord = ({ finishedAt, report, failure, ...row }: AuditRow): AuditRecord => ({
  ...row,
  ...(finishedAt !== null && { finishedAt }),
  ...(report !== null && { [row.kind]: report }),
  ...(failure !== null && { failure }),
});

async function find(sql: Sql, auditNo: number): Promise<AuditRecord> {
  const [row] = await sql<AuditRow[]>`select ${columns(sql)} from ledger.audits a where a.audit_no = ${auditNo}`;
  if (row) return toRecord(row);
  throw new Fault('audit_not_found', `There is no audit ${auditNo}.`, { facts: { audit_no: auditNo } });
}

async function latest(sql: Sql): Promise<LatestAudit | undefined> {
  const [row] = await sql<LatestAudit[]>`
    select audit_no::int as "auditNo", finished_at as "finishedAt", report
    from ledger.audits where kind = 'books' and report is not null order by audit_no desc limit 1`;
  return row;
}
