/**
 * The HTTP client: node:http, because everything larger costs more start-up time than a whole command takes.
 *
 * It knows how the API answers and nothing about any one address. What is not an answer of 2xx becomes a `Stop` with the
 * server's sentence, every wrong field, what to do next and the exit code.
 */
import type { IncomingMessage, RequestOptions } from 'node:http';
import { EXIT, Stop, type ExitCode } from './exit';
import { reasonOf, repeatHint, unreachable } from './unreachable';

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';
export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Call {
  query?: Query;
  body?: unknown;
  /** JSON that is sent as it was written, instead of a body. */
  json?: string;
  /** Sent as Idempotency-Key; the same key gets the same answer. */
  key?: string;
  timeoutMs?: number;
}

export interface Answer<T> {
  status: number;
  body: T;
  headers: IncomingMessage['headers'];
}

/** One request and what came of it. */
export interface Exchange {
  method: Method;
  /** With its query. */
  path: string;
  /** The status, or why there is none. */
  outcome: string;
  tookMs: number;
  bytes?: number;
  requestId?: string;
}

export interface ClientOptions {
  endpoint: string;
  token?: string | undefined;
  timeoutMs?: number;
  /** Certificates of who may vouch for an https server, in PEM; default: those that Node trusts. */
  ca?: string | undefined;
  /** Hears of every request that was answered, or was not. */
  onExchange?: (exchange: Exchange) => void;
  /** Keeps connections open between calls; for the demo, which makes thousands. */
  keepAlive?: boolean;
  maxSockets?: number;
}

/** An error answer: RFC 9457 with ASBB's body inside (rulings 24). */
interface Problem {
  title?: string;
  detail?: string;
  code?: string;
  errors?: { pointer?: string; detail?: string }[];
  error?: { code?: string; message?: string; field?: string };
  request_id?: string;
  retry_after?: number;
}

const DEFAULT_TIMEOUT_MS = 30_000;
const ANSWER_LIMIT_BYTES = 256 * 1024 * 1024;

/** `/accounts/{account}` with its parts encoded, so that no name can leave its place. */
export const path = (strings: TemplateStringsArray, ...parts: string[]): string =>
  strings.reduce(
    (whole, text, index) => whole + text + (index < parts.length ? encodeURIComponent(parts[index] as string) : ''),
    '',
  );

export class Client {
  readonly endpoint: string;
  private readonly base: URL;
  private readonly options: ClientOptions;
  private agent: RequestOptions['agent'] | undefined;

  constructor(options: ClientOptions) {
    this.options = options;
    try {
      this.base = new URL(options.endpoint);
    } catch {
      throw new Stop(EXIT.usage, `"${options.endpoint}" is not an address.`, {
        hints: ['Give one like http://127.0.0.1:8080, with --endpoint or in BURSAR_URL.'],
      });
    }
    if (!/^https?:$/.test(this.base.protocol)) {
      throw new Stop(EXIT.usage, `"${options.endpoint}" is neither http: nor https:.`);
    }
    this.endpoint = this.base.toString().replace(/\/$/, '');
  }

  async get<T>(address: string, query?: Query): Promise<T> {
    return (await this.call<T>('GET', address, query ? { query } : {})).body;
  }

  async post<T>(address: string, body: unknown, key?: string): Promise<T> {
    return (await this.call<T>('POST', address, { body, ...(key === undefined ? {} : { key }) })).body;
  }

  async put<T>(address: string, body: unknown): Promise<T> {
    return (await this.call<T>('PUT', address, { body })).body;
  }

  async delete(address: string, query?: Query): Promise<void> {
    await this.call('DELETE', address, query ? { query } : {});
  }

  /** Rows of a list, page by page (Link: rel="next"), up to `most`. */
  async list<T>(address: string, query: Query, most: number | undefined): Promise<{ rows: T[]; more: boolean }> {
    const pageSize = Math.min(most ?? 1000, 1000);
    let answer = await this.call<T[]>('GET', address, { query: { ...query, limit: pageSize } });
    const rows = [...answer.body];
    for (;;) {
      const next = nextPage(answer.headers.link);
      if (next === undefined || answer.body.length === 0) return { rows, more: false };
      if (most !== undefined && rows.length >= most) return { rows: rows.slice(0, most), more: true };
      answer = await this.call<T[]>('GET', next, {});
      rows.push(...answer.body);
    }
  }

  /** `address` below /api/v1 where it begins there by itself, else as it is. */
  async call<T>(method: Method, address: string, call: Call): Promise<Answer<T>> {
    const url = new URL(this.base);
    const prefix = this.base.pathname.replace(/\/$/, '');
    const [pathname, search = ''] = address.split('?', 2) as [string, string?];
    url.pathname = prefix + pathname;
    url.search = search;
    for (const [name, value] of Object.entries(call.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const answer = await this.send(method, url, call);
    if (answer.status >= 200 && answer.status < 300 && typeof answer.body !== 'string') return answer as Answer<T>;
    throw refusal(answer, call.key);
  }

  private async send(method: Method, url: URL, call: Call): Promise<Answer<unknown>> {
    const { request, Agent } = url.protocol === 'https:' ? await import('node:https') : await import('node:http');
    const { keepAlive = false, maxSockets = 64, ca } = this.options;
    this.agent ??= new Agent({ keepAlive, maxSockets, ...(ca !== undefined && { ca }) });
    const payload = call.json ?? (call.body === undefined ? undefined : JSON.stringify(call.body));
    const timeoutMs = call.timeoutMs ?? this.options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const headers: Record<string, string | number> = { accept: 'application/json' };
    if (payload !== undefined) {
      headers['content-type'] = 'application/json';
      headers['content-length'] = Buffer.byteLength(payload);
    }
    if (call.key !== undefined) headers['idempotency-key'] = call.key;
    if (this.options.token) headers.authorization = `Bearer ${this.options.token}`;

    const began = performance.now();
    const tell = (outcome: string, more: Partial<Exchange> = {}) =>
      this.options.onExchange?.({
        method,
        path: url.pathname + url.search,
        outcome,
        tookMs: Math.ceil(performance.now() - began),
        ...more,
      });

    return new Promise((resolve, reject) => {
      const fail = (error: Error) => {
        tell(reasonOf(error));
        reject(unreachable(this.endpoint, error, call.key));
      };
      const outgoing = request(url, { method, headers, agent: this.agent }, (incoming) => {
        const chunks: Buffer[] = [];
        let size = 0;
        incoming.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          size += chunk.length;
          if (size > ANSWER_LIMIT_BYTES) incoming.destroy(new Error('the answer is too large'));
        });
        incoming.on('error', fail);
        incoming.on('end', () => {
          clearTimeout(timer);
          const text = Buffer.concat(chunks).toString('utf8');
          const requestId = incoming.headers['x-request-id'];
          tell(String(incoming.statusCode), { bytes: size, ...(typeof requestId === 'string' && { requestId }) });
          resolve({ status: incoming.statusCode ?? 0, body: readBody(text), headers: incoming.headers });
        });
      });
      const timer = setTimeout(() => outgoing.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)), timeoutMs);
      outgoing.on('error', (error) => {
        clearTimeout(timer);
        fail(error);
      });
      outgoing.end(payload);
    });
  }
}

function readBody(text: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function nextPage(link: string | string[] | undefined): string | undefined {
  const header = Array.isArray(link) ? link.join(',') : (link ?? '');
  const target = /<([^>]+)>\s*;\s*rel="?next"?/.exec(header)?.[1];
  if (target === undefined) return undefined;
  // Only the path counts: behind a proxy the server may think of itself by another name.
  const url = new URL(target, 'http://server');
  return url.pathname + url.search;
}

const isProblem = (body: unknown): body is Problem => typeof body === 'object' && body !== null;

/**
 * Refusals by money, status, window or cap are 402. These two have the same meaning with another status: there is not as
 * much money as the command would take. Every other conflict is about what is there, not how much of it, and a failure.
 */
const DENIALS = new Set(['limit_below_use', 'refund_exceeds_charge']);

function exitCodeFor(status: number, code: string | undefined): ExitCode {
  if (status === 402 || (code !== undefined && DENIALS.has(code))) return EXIT.denied;
  if (status === 404) return EXIT.notFound;
  if (status === 400 || status === 405 || status === 413 || status === 415) return EXIT.usage;
  if (status === 503 || status === 502 || status === 504) return EXIT.unreachable;
  return EXIT.failure;
}

const HINTS: Readonly<Record<string, string>> = {
  unauthenticated: 'Give a key with BURSAR_TOKEN or --token-file; an admin makes one with `bursar key create`.',
  api_key_not_found: '`bursar key list` shows the keys there are.',
  api_key_exists: '`bursar key revoke NAME` ends the one there is.',
  account_not_found: '`bursar account list` shows the accounts there are.',
  cluster_not_found: '`bursar cluster list` shows the clusters there are.',
  audit_not_found: '`bursar audit list` shows the audits there were.',
  hold_not_found: '`bursar hold list` shows the holds; one made with a key is found by `bursar hold find KEY`.',
  job_not_found: '`bursar job list` shows the jobs that were heard of.',
  transaction_not_found: '`bursar transactions list` shows the transactions.',
  unmatched_not_found: '`bursar unmatched list --status all` shows the reports there are.',
  hold_taken: '`bursar unmatched show ID` lists the holds that are free.',
  rate_not_found: '`bursar rates list` shows the rates with their numbers.',
  route_not_found: 'Is that a Bursar server, and of this version? `bursar status` tells.',
  key_reused: 'Leave --key out to let the command make a new one.',
  account_exists: 'An archived account keeps its name; `bursar account unarchive` brings it back.',
  holds_open: '`bursar hold list --account ACCOUNT --status open` shows them.',
  already_reconciled: 'To replace the cost on purpose, repeat with --correction.',
};

function refusal({ status, body, headers }: Answer<unknown>, key: string | undefined): Stop {
  if (!isProblem(body)) {
    return new Stop(EXIT.unreachable, `What answers there is not Bursar: it said ${status}, and not in JSON.`, {
      hints: ['Check the address: --endpoint, BURSAR_URL, BURSAR_PORT.'],
      problem: { status, body },
    });
  }
  const message = body.detail ?? body.error?.message ?? body.title ?? `The server answered ${status}.`;
  const fields = (body.errors ?? []).map(({ pointer = '', detail = '' }) => {
    const field = pointer.replace(/^#?\//, '').replaceAll('/', '.');
    return field === '' ? detail : `${field}: ${detail}`;
  });
  const hints = fields.filter((line) => !message.includes(line) || fields.length > 1);
  if (body.code !== undefined && HINTS[body.code]) hints.push(HINTS[body.code] as string);
  const retryAfter = headers['retry-after'];
  if (retryAfter !== undefined) hints.push(`Try again in ${retryAfter} s.`);
  if (status >= 500 && key !== undefined) hints.push(repeatHint(key));
  if (status === 500 && body.request_id !== undefined)
    hints.push(`The server's log knows more under ${body.request_id}.`);
  return new Stop(exitCodeFor(status, body.code), message, { hints, problem: body });
}
