/**
 * Listens for the app. What cannot be read as HTTP never reaches it, and is answered here in the shape of all other
 * problems (rulings 24); then the connection is closed, because nobody knows where the next request on it would begin.
 */
import { randomBytes } from 'node:crypto';
import { createServer, type RequestListener, type Server as HttpServer, STATUS_CODES } from 'node:http';
import { createServer as createTlsServer, type Server as HttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import { Fault, FAULTS } from '../domain/faults';
import type { Certificate } from '../platform/certificate';
import type { Log } from '../platform/log';
import type { createApp } from './app';
import { renderProblem } from './problem';

export interface ListenOptions {
  hostname: string;
  port: number;
  log: Log;
  /** With it, HTTPS is spoken and nothing else. */
  certificate?: Certificate | undefined;
}

export type Server = HttpServer | HttpsServer;

/** New connections get it; those that are open keep what they have. */
export function renewCertificate(server: Server, { cert, key }: Certificate): void {
  if ('setSecureContext' in server) server.setSecureContext({ cert, key, minVersion: TLS_MIN });
}

const TLS_MIN = 'TLSv1.2';

export function listen(
  app: Pick<ReturnType<typeof createApp>, 'fetch'>,
  { hostname, port, log, certificate }: ListenOptions,
  onListening?: (at: AddressInfo) => void,
): Server {
  const refuse = (fault: Fault): Refusal => {
    const refusal = refusalOf(fault);
    log.info({ requestId: refusal.requestId, code: fault.code, detail: fault.message }, 'request not read');
    return refusal;
  };
  const answer = getRequestListener(app.fetch, {
    hostname,
    errorHandler: (error) => {
      const { status, headers, body } = refuse(unreadable(messageOf(error)));
      return new Response(body, { status, headers });
    },
  });
  // Of a request without a Host, Node would answer with nothing.
  const onRequest: RequestListener = (request, response) => {
    if (request.headers.host !== undefined || request.httpVersion !== '1.1') return void answer(request, response);
    const { status, headers, body } = refuse(unreadable('it names no Host'));
    return void response.writeHead(status, headers).end(body);
  };
  const options = { requireHostHeader: false };
  const server = certificate
    ? createTlsServer({ ...options, cert: certificate.cert, key: certificate.key, minVersion: TLS_MIN }, onRequest)
    : createServer(options, onRequest);
  server.listen(port, hostname, () => {
    const at = server.address();
    if (typeof at === 'object' && at !== null) onListening?.(at);
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    if (error.code === 'ECONNRESET' || !socket.writable || isBeingAnswered(socket)) return void socket.destroy();
    const { status, headers, body } = refuse(faultOf(error));
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n`;
    return void socket.end(head + body, () => socket.destroy());
  });
  return server;
}

interface Refusal {
  requestId: string;
  status: number;
  headers: Record<string, string>;
  body: string;
}

function refusalOf(fault: Fault): Refusal {
  const requestId = `req_${randomBytes(9).toString('hex')}`;
  const body = `${JSON.stringify(renderProblem(fault, requestId, new Date()))}\n`;
  const headers = {
    'Content-Type': 'application/problem+json',
    'Content-Length': String(Buffer.byteLength(body)),
    'X-Request-Id': requestId,
    Connection: 'close',
  };
  return { requestId, status: FAULTS[fault.code].status, headers, body };
}

/** An answer that has begun cannot be followed by another. Node asks its own field the same when nobody listens. */
function isBeingAnswered(socket: Duplex): boolean {
  const answer: unknown = Reflect.get(socket, '_httpMessage');
  return typeof answer === 'object' && answer !== null && Reflect.get(answer, 'headersSent') === true;
}

const unreadable = (why: string) => {
  const detail = `This is not a request as HTTP has them: ${why}.`;
  return new Fault('malformed_request', detail, { errors: [{ pointer: '', detail }] });
};

function faultOf(error: NodeJS.ErrnoException): Fault {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return new Fault('headers_too_large', 'The headers of a request, with its address, have room in 16 kB.');
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new Fault('request_too_slow', 'The request did not arrive in time; send it again.');
    default:
      return unreadable(messageOf(error));
  }
}

/** The parser's own words, without a full stop: `Invalid method encountered`. */
function messageOf(error: unknown): string {
  const reason: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, 'reason') : undefined;
  const said = typeof reason === 'string' ? reason : error instanceof Error ? error.message : '';
  return said.replace(/^Parse Error: /, '').replace(/\.$/, '') || 'it cannot be read';
}
