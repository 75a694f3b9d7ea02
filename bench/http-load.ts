/**
 * A load of HTTP requests from a fixed number of clients, each with one connection and one request in flight.
 *
 * It writes and reads sockets directly: an HTTP client library would take more of the two cores than the server that is
 * being measured. Responses are read by Content-Length, which every answer of the API has.
 */
import { connect, type Socket } from 'node:net';

export interface Load {
  /** The servers; client n asks the n-th, and so on round. */
  urls: string[];
  path: string;
  clients: number;
  seconds: number;
  /** The body of request `n`. */
  body(n: number): string;
  /** Sent with every request. */
  key?: string | undefined;
}

/** What one measurement says: how many a second, and how long each took. */
export interface Figure {
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
}

export interface LoadResult extends Figure {
  requests: number;
  /** Answers by HTTP status and `available`: `200 yes`, `200 no`, `503`. */
  answers: Record<string, number>;
}

/** Asks for that long. Rejects when a connection breaks. */
export async function runLoad(load: Load): Promise<LoadResult> {
  const latencies: number[] = [];
  const answers: Record<string, number> = {};
  let next = 0;
  const addresses = load.urls.map((url) => new URL(url));
  const clients = await Promise.all(
    Array.from({ length: load.clients }, (_, n) => openClient(addresses[n % addresses.length] as URL, load.key)),
  );
  const began = performance.now();
  const until = began + load.seconds * 1000;

  await Promise.all(
    clients.map(async (client) => {
      for (let sent = performance.now(); sent < until;) {
        const answer = await client.post(load.path, load.body(next++));
        const received = performance.now();
        latencies.push(received - sent);
        answers[answer] = (answers[answer] ?? 0) + 1;
        sent = received;
      }
      client.close();
    }),
  );
  const seconds = (performance.now() - began) / 1000;
  return { ...figureOf(latencies, seconds), requests: latencies.length, answers };
}

/** Sorts the latencies. */
export function figureOf(latenciesMs: number[], seconds: number): Figure {
  const sorted = Float64Array.from(latenciesMs).sort();
  return { perSecond: sorted.length / seconds, p50Ms: quantile(sorted, 0.5), p99Ms: quantile(sorted, 0.99) };
}

export const quantile = (sorted: ArrayLike<number>, q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;

export interface Client {
  /** Says what came back in few words: the status, and for a check `yes` or `no`. */
  post(path: string, body: string): Promise<string>;
  /** The body of the answer. */
  ask(path: string, body: string): Promise<string>;
  close(): void;
}

export async function openClient({ hostname, port }: URL, key?: string): Promise<Client> {
  const authorization = key === undefined ? '' : `Authorization: Bearer ${key}\r\n`;
  const socket = await new Promise<Socket>((resolve, reject) => {
    const opening = connect({ host: hostname, port: Number(port), noDelay: true }, () => resolve(opening));
    opening.once('error', reject);
  });
  let received = '';
  let waiting: { resolve(answer: { status: string; body: string }): void; reject(error: Error): void } | undefined;
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
    const answer = { status: received.slice(9, 12), body: received.slice(headEnd + 4) };
    received = '';
    waiting?.resolve(answer);
  });
  const send = (path: string, body: string) =>
    new Promise<{ status: string; body: string }>((resolve, reject) => {
      waiting = { resolve, reject };
      const length = Buffer.byteLength(body);
      socket.write(
        `POST ${path} HTTP/1.1\r\nHost: ${hostname}:${port}\r\n${authorization}Content-Type: application/json\r\nContent-Length: ${length}\r\n\r\n${body}`,
      );
    });
  return {
    async post(path, body) {
      const { status, body: answer } = await send(path, body);
      if (answer.startsWith('{"available":true')) return `${status} yes`;
      return answer.startsWith('{"available":false') ? `${status} no` : status;
    },
    async ask(path, body) {
      const { status, body: answer } = await send(path, body);
      if (status !== '200') throw new Error(`POST ${path}: ${status} ${answer.slice(0, 500)}`);
      return answer;
    },
    close: () => {
      socket.removeAllListeners('close');
      socket.end();
    },
  };
}
