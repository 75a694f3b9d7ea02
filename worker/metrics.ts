/** What a worker or dispatcher tells Prometheus: its own numbers, and those of Temporal's SDK behind them, on one page. */
import { createServer, get, type Server } from 'node:http';
import { Counter, Gauge, Registry } from 'prom-client';
import type { Outbox } from '../ledger/types';
import type { DispatcherStats } from './dispatcher';

export interface WorkerFacts {
  outbox: Outbox;
  dispatched: () => Readonly<DispatcherStats>;
  /** Undefined in a process that only dispatches. */
  working?: () => boolean;
}

export function workerMetrics({ outbox, dispatched, working }: WorkerFacts): Registry {
  const registry = new Registry();
  const registers = [registry];
  const oldest = new Gauge({
    name: 'bursar_outbox_oldest_seconds',
    help: 'Age of the oldest item in the outbox',
    registers,
  });
  new Gauge({
    name: 'bursar_outbox_items',
    help: 'Stories that Temporal has not been told yet',
    registers,
    async collect() {
      // PostgreSQL away: old numbers would be a lie, so there are none.
      const depth = await outbox.depth().catch(() => ({ waiting: NaN, oldestSeconds: NaN }));
      this.set(depth.waiting);
      oldest.set(depth.oldestSeconds);
    },
  });
  new Counter({
    name: 'bursar_stories_told_total',
    help: 'Calls by which Temporal was told to start or ring a story',
    labelNames: ['kind'],
    registers,
    collect() {
      this.reset();
      for (const [kind, count] of Object.entries(dispatched().delivered)) this.inc({ kind }, count);
    },
  });
  new Counter({
    name: 'bursar_stories_refused_total',
    help: 'Calls that Temporal would not take; each is tried again',
    registers,
    collect() {
      this.reset();
      this.inc(dispatched().refused);
    },
  });
  new Gauge({
    name: 'bursar_temporal_reachable',
    help: '1 while Temporal takes what the dispatcher brings',
    registers,
    collect() {
      this.set(dispatched().temporalAway ? 0 : 1);
    },
  });
  if (working) {
    new Gauge({
      name: 'bursar_worker_working',
      help: '1 while this process runs stories',
      registers,
      collect() {
        this.set(working() ? 1 : 0);
      },
    });
  }
  return registry;
}

export interface MetricsPage {
  host: string;
  port: number;
  /** Where the SDK serves its numbers, on this machine. */
  sdkPort?: number;
}

/** Serves /metrics. */
export async function serveMetrics(registry: Registry, { host, port, sdkPort }: MetricsPage): Promise<Server> {
  const page = async () => (await registry.metrics()) + (sdkPort === undefined ? '' : await pageAt(host, sdkPort));
  const server = createServer((request, response) => {
    if (request.url !== '/metrics') {
      response.writeHead(404).end();
      return;
    }
    page().then(
      (text) => response.setHeader('content-type', registry.contentType).end(text),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
  return server;
}

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
