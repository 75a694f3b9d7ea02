/**
 * The way to Temporal for processes that send it something.
 *
 * The SDK's own retries turn an outage of Temporal into one of ours: a call takes 18 seconds to fail, and aborting it does
 * not help (measured, SDK 1.24.0). So: a lazy connection, which lets a process start while Temporal is away, two attempts
 * at most, and a deadline on every call. Who must not fail keeps the work in the outbox and comes again.
 */
import { Client, Connection, defaultGrpcRetryOptions, makeGrpcRetryInterceptor } from '@temporalio/client';

export interface TemporalOptions {
  /** host:port */
  address: string;
  /** Default: 'default'. */
  namespace?: string;
  /** How long a call may take in all (default 5 000). */
  deadlineMs?: number;
}

export interface Temporal {
  client: Client;
  connection: Connection;
  /** Runs what it is given with the deadline of the options, or with this one. */
  withDeadline<T>(work: () => Promise<T>, deadlineMs?: number): Promise<T>;
  close(): Promise<void>;
}

export function connectTemporal({ address, namespace = 'default', deadlineMs = 5_000 }: TemporalOptions): Temporal {
  const connection = Connection.lazy({
    address,
    connectTimeout: '2 seconds',
    interceptors: [makeGrpcRetryInterceptor(defaultGrpcRetryOptions({ maxAttempts: 2 }))],
  });
  const client = new Client({ connection, namespace });
  return {
    client,
    connection,
    withDeadline: (work, ms = deadlineMs) => client.withDeadline(Date.now() + ms, work),
    close: () => connection.close(),
  };
}
