/** The database of a Bursar, for commands that run on a machine of the server's and work on it directly. */
import { codeOf } from '../domain/code-of';
import { requireServer, SchemaMismatch } from '../migrations/migrate';
import { withoutPassword } from '../platform/config';
import { connectPostgres, isConnectionFailure, type Sql } from '../platform/postgres';
import { findRunningStack } from '../platform/supervisor';
import { EXIT, Stop } from './exit';
import type { Session } from './session';
import { settings } from './settings';

export interface Where {
  databaseUrl?: string;
}

export const URL_OPTION = [
  '--database-url <url>',
  'the PostgreSQL (DATABASE_URL; else that of the Bursar that runs here)',
] as const;

export interface Opened {
  sql: Sql;
  /** Without its password. */
  address: string;
  /** `18.4` */
  server: string;
}

export interface Connection {
  /** Default 1. */
  poolSize?: number;
  /** 0: none. */
  statementTimeoutMs?: number;
}

export async function withDatabase(
  session: Session,
  where: Where,
  work: (session: Session, opened: Opened) => Promise<void>,
  connection: Connection = {},
): Promise<void> {
  const url = databaseUrlOf(session, where);
  const address = withoutPassword(url);
  const sql = connectPostgres({ url, poolSize: 1, applicationName: 'bursar-database', ...connection });
  try {
    const server = await requireServer(sql).catch((error: unknown) => {
      throw error instanceof SchemaMismatch ? error : unreachable(address, error);
    });
    await orLost(work(session, { sql, address, server }));
  } catch (error) {
    if (error instanceof Stop) throw error;
    if (isConnectionFailure(error) || isFaultOfConnection(error)) throw lost(address, error);
    throw new Stop(EXIT.failure, `The database ${address} cannot be used: ${messageOf(error)}.`, {
      problem: { code: error instanceof SchemaMismatch ? 'schema_mismatch' : 'failed', detail: messageOf(error) },
    });
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/** As the ledger tells it. */
export const isFaultOfConnection = (error: unknown): boolean => codeOf(error) === 'ledger_unavailable';

export function lost(address: string, error: unknown): Stop {
  const { cause } = error instanceof Error ? error : {};
  const detail = messageOf(cause ?? error);
  return new Stop(EXIT.unreachable, `The database ${address} was lost while it was worked on: ${detail}.`, {
    hints: ['Once PostgreSQL is back, run the same again: what was kept is not kept twice.'],
    problem: { code: 'database_unreachable', detail },
  });
}

/**
 * A query on a connection that has just gone makes the driver write to no socket, in a callback of its own: nobody can catch that, and it
 * would end the process with a stack trace (porsager/postgres 3.4.9, issue 1208). Here it is what it means.
 */
async function orLost<T>(work: Promise<T>): Promise<T> {
  let tell: (error: Error) => void = () => {};
  const loss = new Promise<never>((_, reject) => (tell = reject));
  const onUncaught = (error: Error) => {
    if (!/\bnextWrite\b/.test(error.stack ?? '')) throw error;
    tell(Object.assign(new Error('the connection was closed'), { code: 'CONNECTION_CLOSED' }));
  };
  process.on('uncaughtException', onUncaught);
  try {
    return await Promise.race([work, loss]);
  } finally {
    process.off('uncaughtException', onUncaught);
  }
}

/** The one that was named, else that of the Bursar that runs here. */
export function databaseUrlOf(session: Session, { databaseUrl }: Where): string {
  const config = settings(
    session,
    databaseUrl === undefined ? {} : { 'database.dsn': { text: databaseUrl, option: '--database-url' } },
  );
  const url = config.databaseUrl ?? findRunningStack(config.home)?.addresses?.database;
  if (url !== undefined) return url;
  throw new Stop(EXIT.usage, 'No database is named, and no Bursar runs here.', {
    hints: ['Give --database-url or DATABASE_URL, such as postgres://bursar@db.example.org:5432/bursar.'],
  });
}

const HINTS: Readonly<Record<string, string>> = {
  '3D000': 'Create it first, such as with `createdb bursar`.',
  '28P01': 'Is the password in the address the right one?',
  '28000': 'Does pg_hba.conf let this user in from here?',
};

/** `absent` is what to do where the server has no database of that name. */
export function unreachable(address: string, error: unknown, absent = HINTS['3D000']): Stop {
  const code = codeOf(error);
  return new Stop(EXIT.unreachable, `The database ${address} cannot be reached: ${messageOf(error)}.`, {
    hints: [(code === '3D000' ? absent : HINTS[code]) ?? 'Is PostgreSQL running there, and is the address right?'],
    problem: { code: 'database_unreachable', detail: messageOf(error) },
  });
}

export const messageOf = (error: unknown): string => {
  // Two addresses of one name that both refuse have no message of their own.
  if (error instanceof AggregateError) return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message : String(error);
};
