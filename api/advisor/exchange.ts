/** One request and its answer over node:http, which sends the headers that it is given and no others. */
import http from 'node:http';
import https from 'node:https';
import { codeOf } from '../../domain/code-of';

export interface Reply {
  status: number;
  body: Buffer;
}

export interface Exchange {
  method: 'GET' | 'POST';
  headers: Readonly<Record<string, string>>;
  body?: string;
  /** Ends it, wherever it is: in the resolver, in a handshake, in the middle of a trickle. */
  signal: AbortSignal;
  /** The answer is cut off at the first byte beyond it. */
  bytesMax: number;
  agent?: http.Agent;
}

export class TooLong extends Error {}

/** Where `path` is below an address, which may have a path of its own. */
export const below = (base: string, path: string): URL => new URL(`${base.replace(/\/+$/, '')}${path}`);

/** Connections that are kept between questions. */
export const keptConnections = (url: string, socketsMax: number): http.Agent =>
  new (url.startsWith('https:') ? https.Agent : http.Agent)({
    keepAlive: true,
    maxSockets: socketsMax,
    maxFreeSockets: 8,
    timeout: 60_000,
  });

/** Redirects are not followed: an answer from somewhere else is not the answer of whom was asked. */
export function exchange(url: URL, asked: Exchange): Promise<Reply> {
  const { body, bytesMax, ...options } = asked;
  const { request } = url.protocol === 'https:' ? https : http;
  return new Promise((resolve, reject) => {
    const sent = request(url, options, (answer) => {
      const pieces: Buffer[] = [];
      let size = 0;
      const cutOff = () => {
        reject(new TooLong());
        answer.destroy();
      };
      if (Number(answer.headers['content-length'] ?? 0) > bytesMax) return cutOff();
      answer.on('data', (piece: Buffer) => {
        size += piece.length;
        if (size > bytesMax) cutOff();
        else pieces.push(piece);
      });
      answer.on('error', reject);
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(pieces) }));
    });
    sent.on('error', (error: Error & { code?: string }) => {
      // A kept connection that the other side has closed meanwhile says nothing about how it is; a new one will.
      const wasStale = sent.reusedSocket && error.code === 'ECONNRESET' && !asked.signal.aborted;
      if (wasStale) resolve(exchange(url, asked));
      else reject(error);
    });
    sent.end(body);
  });
}

/** What went wrong, for a sentence. */
export function whyNot(error: unknown): string {
  const code = codeOf(error);
  switch (code) {
    case 'ECONNREFUSED':
      return 'nothing listens there';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'its name is not known';
    case 'ECONNRESET':
    case 'EPIPE':
      return 'the connection was cut';
    default:
      if (code === '') return 'the connection was cut';
      return code.startsWith('HPE_') ? 'what answers there is not HTTP' : code;
  }
}
