/** What the two entries of this folder have in common: what they open, and the order in which they go down. */
import { openLedger } from '../ledger';
import type { Ledger } from '../ledger/contract';
import { readConfig } from '../platform/config';
import { openLog, type Log } from '../platform/log';
import { createMetrics, type Metrics } from '../platform/metrics';
import { loopbackOf } from '../platform/own-token';
import { connectPostgres } from '../platform/postgres';
import { handleShutdown, type Shutdown } from '../platform/shutdown';
import { connectTemporal, type Temporal } from '../platform/temporal';
import { portOf, serveMetrics, watchOutbox } from './metrics';

export interface Process {
  config: ReturnType<typeof serverConfig>;
  log: Log;
  shutdown: Shutdown;
  metrics: Metrics;
  ledger: Ledger;
  temporal: Temporal;
}

const serverConfig = () => readConfig(['databaseUrl', 'temporalAddress']);

/** The supervisor kills a worker ten seconds after it has asked it to end. */
const SHUTDOWN_MS = 9_000;

/** Nothing is connected yet: a process starts while PostgreSQL and Temporal are away, and works when they come. */
export function openProcess(service: string): Process {
  const config = serverConfig();
  const log = openLog({ service, level: config.logLevel });
  for (const warning of config.warnings) log.warn({ warning }, 'configuration');
  const shutdown = handleShutdown({ log, deadlineMs: SHUTDOWN_MS });
  const sql = connectPostgres({
    url: config.databaseUrl,
    poolSize: config.poolSize,
    applicationName: `bursar-${service}`,
  });
  shutdown.add('postgres', () => sql.end({ timeout: 2 }));
  const temporal = connectTemporal({ address: config.temporalAddress, namespace: config.temporalNamespace });
  shutdown.add('temporal', () => temporal.close());
  const ledger = openLedger(sql, { defaultCluster: config.defaultCluster });
  const metrics = createMetrics({ accountsMax: config.metricsAccounts });
  watchOutbox(metrics, ledger.outbox);
  return { config, log, shutdown, metrics, ledger, temporal };
}

/** Serves the metrics where BURSAR_WORKER_PORT says. */
export async function openMetricsPage({ config, log, metrics, shutdown }: Process, sdkPort?: number): Promise<void> {
  if (config.workerPort === undefined) return;
  const { workerPort: port } = config;
  const host = loopbackOf(config.host);
  const server = await serveMetrics(metrics, { host, port, ...(sdkPort !== undefined && { sdkPort }) });
  shutdown.add('metrics', () => {
    server.closeAllConnections();
    server.close();
  });
  log.info({ url: `http://${host}:${portOf(server)}/metrics` }, 'metrics');
}
