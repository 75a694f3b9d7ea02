/** The page that Prometheus reads: our own numbers, and behind them those of Temporal's SDK. */
import { createServer, get, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Outbox } from '../ledger/contract';
import type { Metrics } from '../platform/metrics';

export function watchOutbox(metrics: Metrics, outbox: Outbox): void {
  metrics.onScrape(async () => {
    const { waiting, oldestSeconds } = await outbox.depth();
    metrics.outboxWaiting.set(waiting);
    metrics.outboxOldestSeconds.set(oldestSeconds);
  });
}

export interface MetricsPage {
  host: string;
  /** 0 takes any free one. */
  port: number;
  /** Default /metrics. */
  path?: string;
  /** Where the SDK serves its numbers, on the same host. */
  sdkPort?: number;
}

/** Serves that one page, nothing else. */
export async function serveMetrics(
  metrics: Metrics,
  { host, port, path = '/metrics', sdkPort }: MetricsPage,
): Promise<Server> {
  const page = async () => (await metrics.scrape()) + (sdkPort === undefined ? '' : await pageAt(host, sdkPort));
  const server = createServer((request, response) => {
    if (request.url !== path) {
      response.writeHead(404).end();
      return;
    }
    page().then(
      (text) => response.setHeader('content-type', metrics.contentType).end(text),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
  return server;
}

export const portOf = (server: Server): number => (server.address() as AddressInfo).port;

/** The SDK's page, or nothing where it does not answer: our numbers matter more. */
const pageAt = (host: string, port: number): Promise<string> =>
  new Promise((resolve) => {
    get({ host, port, path: '/metrics', timeout: 1_000 }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve(text));
    })
      .on('timeout', () => resolve(''))
      .on('error', () => resolve(''));
  });
