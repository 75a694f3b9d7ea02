/** A proof of the books takes as long as there are books: the server goes on with it, and this waits for what comes of it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { path, type Client, type Query } from './client';
import { EXIT, Stop } from './exit';
import { showProgress } from './progress';
import type { Session } from './session';
import type { Audit, BooksReport, SealReport } from './wire';

const ASK_EVERY_MS = 1_000;
/** So long a server may be away, or its database: they restart. */
const AWAY_MS = 60_000;

interface Reports {
  books: BooksReport;
  seals: SealReport;
}

const ADDRESS = { books: '/api/v1/audit', seals: '/api/v1/audit/seals' } as const;

/** The report, at once or when it is there. */
export async function prove<Kind extends keyof Reports>(
  session: Session,
  client: Client,
  kind: Kind,
  query: Query = {},
): Promise<Reports[Kind]> {
  const { status, body } = await client.call<Reports[Kind] | Audit>('GET', ADDRESS[kind], { query });
  if (status !== 202) return body as Reports[Kind];
  const audit = await awaitAudit(session, client, body as Audit);
  return audit[kind] as Reports[Kind];
}

async function awaitAudit(session: Session, client: Client, begun: Audit): Promise<Audit> {
  const { audit_no: auditNo, kind, started_at: startedAt } = begun;
  const { io } = session;
  session.note(
    `This takes longer than a request may. The server goes on even if you leave: \`bursar audit show ${auditNo}\` tells what came of it.`,
  );
  const last = await tookLast(client, kind);
  const note = last === undefined ? {} : { note: `the last one took ${last}` };
  const progress = showProgress(io);
  try {
    for (let audit = begun; ;) {
      if (audit.status === 'finished') return audit;
      if (audit.status === 'lost') throw lost(audit);
      if (audit.status === 'failed') throw new Stop(EXIT.failure, `Audit ${auditNo} failed: ${audit.failure}`);
      const seconds = Math.max(0, Math.round((io.now().getTime() - Date.parse(startedAt)) / 1_000));
      progress.tell({ step: `Audit ${auditNo}`, done: seconds, unit: 's', ...note });
      await sleep(ASK_EVERY_MS);
      audit = await read(client, auditNo, () => io.now().getTime());
    }
  } finally {
    progress.end();
  }
}

async function read(client: Client, auditNo: number, now: () => number): Promise<Audit> {
  for (const giveUpAt = now() + AWAY_MS; ; await sleep(ASK_EVERY_MS)) {
    try {
      return await client.get<Audit>(path`/api/v1/audits/${String(auditNo)}`);
    } catch (error) {
      if (!(error instanceof Stop) || error.exitCode !== EXIT.unreachable || now() > giveUpAt) throw error;
    }
  }
}

async function tookLast(client: Client, kind: Audit['kind']): Promise<string | undefined> {
  const { rows } = await client.list<Audit>('/api/v1/audits', { kind }, 20);
  const finished = rows.find(({ status }) => status === 'finished');
  return finished && took(finished);
}

/** `14.0 s`; undefined while it is not through. */
export const took = ({ started_at: from, finished_at: to }: Audit): string | undefined =>
  to === undefined ? undefined : `${((Date.parse(to) - Date.parse(from)) / 1_000).toFixed(1)} s`;

const lost = ({ audit_no: auditNo, kind }: Audit): Stop =>
  new Stop(EXIT.failure, `Nothing has been heard of audit ${auditNo} for a minute.`, {
    hints: [
      'Its server has ended or lost its database; the log of the server says which.',
      `\`bursar audit${kind === 'seals' ? ' verify' : ''}\` begins another.`,
    ],
  });
