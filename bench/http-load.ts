/**
 * A load of HTTP requests from a fixed number of clients, each with one connection and one request in flight.
 *
 * It writes and reads sockets directly: an HTTP client library would take more of the two cores than the server that is
 * being measured. Responses are read by Content-Length, which every answer of the API has.
 */
import { connect, type Socket } from 'node:net';

export interface Load {
  url: string;
  path: string;
  clients: number;
  /** Requests over all clients. */
  requests: number;
  /** The body of request `n`. */
  body(n: number): string;
}

export interface LoadResult {
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  requests: number;
  /** Answers by HTTP status. */
  statuses: Record<string, number>;
}

/** Runs the load to its end. Rejects when a connection breaks. */
export async function runLoad(load: Load): Promise<LoadResult> {
  const { hostname, port } = new URL(load.url);
  const latencies = new Float64Array(load.requests);
  const statuses: Record<string, number> = {};
  let next = 0;
  const began = performance.now();

  await Promise.all(
    Array.from({ length: load.clients }, async () => {
      const client = await openClient(hostname, Number(port));
      for (let n = next++; n < load.requests; n = next++) {
        const body = load.body(n);
        const sent = performance.now();
        const status = await client.post(load.path, `${hostname}:${port}`, body);
        latencies[n] = performance.now() - sent;
        statuses[status] = (statuses[status] ?? 0) + 1;
      }
      client.close();
    }),
  );

  const seconds = (performance.now() - began) / 1000;
  latencies.sort();
  return {
    perSecond: load.requests / seconds,
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
    requests: load.requests,
    statuses,
  };
}

export const quantile = (sorted: ArrayLike<number>, q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;

export const median = (values: number[]): number =>
  quantile(
    [...values].sort((a, b) => a - b),
    0.5,
  );

interface Client {
  post(path: string, host: string, body: string): Promise<string>;
  close(): void;
}

async function openClient(host: string, port: number): Promise<Client> {
  const socket = await new Promise<Socket>((resolve, reject) => {
    const opening = connect({ host, port, noDelay: true }, () => resolve(opening));
    opening.once('error', reject);
  });
  let received = '';
  let waiting: { resolve(status: string): void; reject(error: Error): void } | undefined;
  const fail = (error: Error) => waiting?.reject(error);
  socket.setEncoding('latin1');
  socket.on('error', fail);
  socket.on('close', () => fail(new Error('the server closed the connection')));
  socket.on('data', (chunk) => {
    received += chunk.toString();
    const headEnd = received.indexOf('\r\n\r\n');
    if (headEnd < 0) return;
    const length = Number(/content-length: (\d+)/i.exec(received.slice(0, headEnd))?.[1] ?? 0);
    if (received.length < headEnd + 4 + length) return;
    const status = received.slice(9, 12);
    received = '';
    waiting?.resolve(status);
  });
  return {
    post: (path, hostHeader, body) =>
      new Promise((resolve, reject) => {
        waiting = { resolve, reject };
        const length = Buffer.byteLength(body);
        socket.write(
          `POST ${path} HTTP/1.1\r\nHost: ${hostHeader}\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n${body}`,
        );
      }),
    close: () => {
      socket.removeAllListeners('close');
      socket.end();
    },
  };
}
