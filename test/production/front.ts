/**
 * The one address of several APIs. Where docker-compose.yml has nginx, which passes on what no API has seen and leaves the rest
 * to the caller, this is both: it says again whatever got no answer, as hooks do with their keys.
 */
import { createServer, request, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Front extends AsyncDisposable {
  url: string;
  /** How many answers came from each. */
  answers: ReadonlyMap<string, number>;
  /** How often it had to ask again. */
  readonly repeated: number;
}

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

const GIVES_UP_AFTER_MS = 30_000;

export async function openFront(urls: readonly string[]): Promise<Front> {
  const answers = new Map<string, number>();
  let turn = 0;
  let repeated = 0;

  async function pass(incoming: IncomingMessage): Promise<Answer> {
    const body = await bytesOf(incoming);
    for (const deadline = Date.now() + GIVES_UP_AFTER_MS; ;) {
      const url = urls[turn++ % urls.length] ?? '';
      try {
        const answer = await ask(url, incoming, body);
        answers.set(url, (answers.get(url) ?? 0) + 1);
        return answer;
      } catch (error) {
        if (Date.now() > deadline) throw error;
        repeated += 1;
        await sleep(50);
      }
    }
  }

  const server = createServer((incoming, outgoing) => {
    pass(incoming).then(
      ({ status, headers, body }) => {
        const { 'transfer-encoding': _chunked, connection: _own, ...kept } = headers;
        outgoing.writeHead(status, { ...kept, 'content-length': body.length }).end(body);
      },
      (error: unknown) => outgoing.writeHead(502).end(String(error)),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    answers,
    get repeated() {
      return repeated;
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function ask(url: string, { method, url: path, headers }: IncomingMessage, body: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request(new URL(path ?? '/', url), { method, headers, agent: false }, (answer) => {
      bytesOf(answer).then(
        (bytes) => resolve({ status: answer.statusCode ?? 502, headers: answer.headers, body: bytes }),
        reject,
      );
    })
      .on('error', reject)
      .end(body);
  });
}

/** All of it; what was cut off in the middle is no answer. */
async function bytesOf(message: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of message) parts.push(part as Buffer);
  if (!message.complete) throw new Error('cut off');
  return Buffer.concat(parts);
}
