/** One pool of connections, with the types as Bursar wants them: bigint stays bigint, a timestamp keeps its microseconds. */
import { Socket } from 'node:net';
import postgres from 'postgres';
import { codeOf } from '../domain/code-of';

export type Sql = postgres.Sql<{ bigint: bigint }>;
export type Tx = postgres.TransactionSql<{ bigint: bigint }>;

export interface PostgresOptions {
  url: string;
  /** Default 8: about twice the cores of a small machine; more only queue inside PostgreSQL. */
  poolSize?: number;
  /** A connection that is older is closed when it falls idle. Undefined: never. */
  lifetimeSeconds?: number | undefined;
  /** A statement that takes longer is given up (default 10 000). */
  statementTimeoutMs?: number;
  connectTimeoutSeconds?: number;
  applicationName?: string;
}

/** Opens the pool. Nothing is connected until the first query, so a process starts while PostgreSQL is away. */
export function connectPostgres(options: PostgresOptions): Sql {
  const losses = { count: 0 };
  const sql = postgres(options.url, {
    onclose: () => void (losses.count += 1),
    ...{ socket: openSocket },
    max: options.poolSize ?? 8,
    connect_timeout: options.connectTimeoutSeconds ?? 5,
    idle_timeout: 0,
    max_lifetime: options.lifetimeSeconds ?? null,
    // The default waits up to 20 seconds; who asks after an outage should not find one that is over.
    backoff: (attempt) => Math.min(0.05 * 2 ** attempt, 1),
    onnotice: () => {},
    connection: {
      application_name: options.applicationName ?? 'bursar',
      timezone: 'UTC',
      statement_timeout: options.statementTimeoutMs ?? 10_000,
      lock_timeout: 8_000,
    },
    types: {
      bigint: postgres.BigInt,
      // `Date` would lose the microseconds; `2026-01-31 00:00:00.5+00` becomes `2026-01-31T00:00:00.5Z`.
      date: {
        to: 1184,
        from: [1082, 1114, 1184],
        serialize: (value: string | Date) => (value instanceof Date ? value.toISOString() : value),
        parse: (text: string) => (/^\d/.test(text) ? text.replace(' ', 'T').replace(/\+00(:00)?$/, 'Z') : text),
      },
    },
  }) as unknown as Sql;
  // Several are tried in turns, connection by connection, and which of them asks, `socket` is not told.
  if (sql.options.host.length > 1) delete (sql.options as { socket?: unknown }).socket;
  lossesOf.set(sql, losses);
  answerWhole(sql);
  return sql;
}

/** The class of the driver's queries, as far as it concerns us. */
interface DriverQuery {
  executed: boolean;
  resolve(result: unknown): void;
  handle(): Promise<unknown>;
}

const isWhole = Symbol('answers are whole');

/**
 * Takes away what the driver leaves of a query that failed in the middle of its rows: it goes on counting them, so the next answer on
 * that connection has its rows behind as many holes, and its first row is undefined (porsager/postgres 3.4.9).
 */
function answerWhole(sql: Sql): void {
  const query = Object.getPrototypeOf(sql`select`) as DriverQuery & { [isWhole]?: true };
  if (query[isWhole]) return;
  query[isWhole] = true;
  const { handle } = query;
  query.handle = function (this: DriverQuery) {
    if (!this.executed) {
      const { resolve } = this;
      this.resolve = (result) => resolve(withoutHoles(result));
    }
    return handle.call(this);
  };
}

function withoutHoles(result: unknown): unknown {
  if (!Array.isArray(result)) return result;
  let holes = 0;
  while (holes < result.length && !(holes in result)) holes += 1;
  if (holes > 0) result.splice(0, holes);
  return result;
}

/** What the driver knows of where to connect to. */
interface Addresses {
  host: string[];
  port: number[];
  path: string | false;
}

/**
 * Opens a socket as the driver does, but such that a small message never waits until the large one before it is acknowledged: the end
 * of a COPY came 40 ms late, each time. The driver has no option for that; `socket` is one that its types do not know.
 */
function openSocket({ host: [host = 'localhost'], port: [port = 5432], path }: Addresses): Socket {
  const socket = new Socket().setNoDelay();
  // Its host is what a certificate must name.
  return path ? socket.connect(path) : Object.assign(socket.connect(port, host), { host, port });
}

/** How many connections of a pool have been closed. */
const lossesOf = new WeakMap<Sql, { readonly count: number }>();

export type Reserved = Awaited<ReturnType<Sql['reserve']>>;

/**
 * Gives a connection to `work` alone. Once it is gone every query on it fails: the driver would write to no socket, in a callback of
 * which nobody catches anything, and end the process (porsager/postgres 3.4.9, issue 1208). Which connection of a pool was closed the
 * driver does not say, so any that is closed counts: they are closed by nobody but a server that goes away.
 */
export async function withReserved<T>(sql: Sql, work: (connection: Reserved) => Promise<T>): Promise<T> {
  const connection = await sql.reserve();
  const before = lossesOf.get(sql)?.count;
  const isLost = () => lossesOf.get(sql)?.count !== before;
  const refuse = <A extends unknown[], R>(query: (...args: A) => R) =>
    function (this: unknown, ...args: A): R {
      if (isLost()) throw Object.assign(new Error('the connection was closed'), { code: 'CONNECTION_CLOSED' });
      return Reflect.apply(query, this, args);
    };
  const guarded = new Proxy(connection, {
    apply: (target, self, args) => refuse(() => Reflect.apply(target, self, args) as unknown)(),
    get: (target, name) => (name === 'unsafe' ? refuse(target.unsafe) : (Reflect.get(target, name) as unknown)),
  });
  try {
    return await work(guarded);
  } finally {
    if (!isLost()) connection.release();
  }
}

/** For a transaction that is long, and waits for others, by design: no time that its server gives transactions ends it. */
export async function keepTransaction(connection: Sql): Promise<void> {
  await connection`
    select set_config(name, '0', true) from pg_settings
    where name in ('idle_in_transaction_session_timeout', 'transaction_timeout')`; // PostgreSQL has the second from 17 on.
}

/** Has any connection of it been closed? */
export const hasLost = (sql: Sql): boolean => (lossesOf.get(sql)?.count ?? 0) > 0;

/** PostgreSQL or the way to it is gone, or not there yet. */
export const isConnectionFailure = (error: unknown): boolean =>
  /^(?:CONNECT|ECONN|EPIPE$|ETIMEDOUT$|ENOTFOUND$|EAI_AGAIN$|E(?:HOST|NET)UNREACH$|57P0|08)/.test(codeOf(error));
