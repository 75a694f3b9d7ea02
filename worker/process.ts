/** What the two entries of this folder have in common: what they open, and the order in which they go down. */
import { openLedger } from '../ledger';
import type { Ledger } from '../ledger/contract';
import { configArgument, readConfig } from '../platform/config';
import { openLog, type Log } from '../platform/log';
import { createMetrics, type Metrics } from '../platform/metrics';
import { loopbackOf } from '../platform/own-token';
import { connectPostgres } from '../platform/postgres';
import { reloadOnHangup } from '../platform/reload';
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

const serverConfig = () => readConfig(['databaseUrl', 'temporalAddress'], undefined, configArgument());

/** Nothing is connected yet: a process starts while PostgreSQL and Temporal are away, and works when they come. */
export function openProcess(service: string): Process {
  const config = serverConfig();
  const log = openLog({ service, level: config.logLevel, format: config.logFormat });
  for (const warning of config.warnings) log.warn({ warning }, 'configuration');
  const shutdown = handleShutdown({ log, deadlineMs: config.shutdownTimeoutMs });
  reloadOnHangup({ log, shutdown, commandLine: configArgument() });
  const sql = connectPostgres({
    url: config.databaseUrl,
    poolSize: config.poolSize,
    lifetimeSeconds: config.connectionSeconds,
    applicationName: `bursar-${service}`,
  });
  shutdown.add('postgres', () => sql.end({ timeout: 2 }));
  const temporal = connectTemporal({ address: config.temporalAddress, namespace: config.temporalNamespace });
  shutdown.add('temporal', () => temporal.close());
  const ledger = openLedger(sql, config);
  const metrics = createMetrics({ accountsMax: config.metricsAccounts });
  watchOutbox(metrics, ledger.outbox);
  return { config, log, shutdown, metrics, ledger, temporal };
}

/** Serves the metrics where the configuration says, if it does. */
export async function openMetricsPage({ config, log, metrics, shutdown }: Process, sdkPort?: number): Promise<void> {
  const { workerPort: port, metricsPath: path } = config;
  if (port === undefined || path === undefined) return;
  const host = loopbackOf(config.host);
  const server = await serveMetrics(metrics, { host, port, path, ...(sdkPort !== undefined && { sdkPort }) });
  shutdown.add('metrics', () => {
    server.closeAllConnections();
    server.close();
  });
  log.info({ url: `http://${host}:${portOf(server)}${path}` }, 'metrics');
}
