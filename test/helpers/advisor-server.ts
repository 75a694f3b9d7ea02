/** An advisor on a real port that answers as a test says, or does not. */
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Asked {
  method: string | undefined;
  url: string | undefined;
  headers: IncomingMessage['headers'];
  rawHeaders: string[];
  body: string;
}

/** What to do with a question: `respond` is free to do nothing at all. */
export type Respond = (answer: ServerResponse, asked: Asked) => void;

export interface AdvisorServer {
  url: string;
  asked: Asked[];
  /** How questions are answered from now on. */
  respond: Respond;
  /** Questions whose connection is still open. */
  open(): number;
  stop(): Promise<void>;
}

export const says =
  (body: unknown, status = 200): Respond =>
  (answer) => {
    answer.writeHead(status, { 'Content-Type': 'application/json' });
    answer.end(typeof body === 'string' ? body : JSON.stringify(body));
  };

/** A good answer of this cost. */
export const costs = (cost: number | string, more = ''): Respond =>
  says(`{"estimated_cost": ${cost}, "confidence": 0.91, "recommendation": "Spot capacity is plentiful"${more}}`);

export const hangs: Respond = () => undefined;

export async function startAdvisor(respond: Respond = costs('41.50'), port = 0): Promise<AdvisorServer> {
  let open = 0;
  const listener: RequestListener = (request, answer) => {
    const pieces: Buffer[] = [];
    open += 1;
    answer.on('close', () => (open -= 1));
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      const { method, url, headers, rawHeaders } = request;
      const asked = { method, url, headers, rawHeaders, body: Buffer.concat(pieces).toString() };
      advisor.asked.push(asked);
      advisor.respond(answer, asked);
    });
  };
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const advisor: AdvisorServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: [],
    respond,
    open: () => open,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return advisor;
}
