/** One pool of connections, with the types as Bursar wants them: bigint stays bigint, a timestamp keeps its microseconds. */
import postgres from 'postgres';

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
  return postgres(options.url, {
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
}
