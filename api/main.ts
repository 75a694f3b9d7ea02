/** The API process: wires what `createApp` needs, listens, and ends well. Several of them may run. */
import { recover, restartStrays } from '../activities';
import { readAccuracy } from '../domain/asbx';
import { Fault } from '../domain/faults';
import { parseAmount } from '../domain/money';
import { openLedger } from '../ledger';
import type { Catalog, Keys } from '../ledger/contract';
import { ensureDefaultCluster } from '../ledger/default-cluster';
import { migrate } from '../migrations/migrate';
import { configArgument, readConfig, type Config } from '../platform/config';
import { runProcess } from '../platform/entry';
import { announce, type Log, openLog } from '../platform/log';
import { createMetrics } from '../platform/metrics';
import { isLoopbackHost, readOwnToken, writeOwnToken } from '../platform/own-token';
import { connectPostgres, type Sql } from '../platform/postgres';
import { reloadOnHangup } from '../platform/reload';
import { handleShutdown } from '../platform/shutdown';
import { connectTemporal, type Temporal } from '../platform/temporal';
import { WorkflowFailedError } from '@temporalio/client';
import { LEDGER_QUEUE } from '../workflows/contracts/job-lifecycle';
import { askedLook, type LookReport, type QueueLook } from '../workflows/contracts/queue-look';
import { within } from './time-limit';
import { createApp } from './app';
import { budgetRules } from './budget-rules';
import { openDoor } from './door';
import type { AsbxSettings, TemporalDeps } from './env';
import { openNeighbours } from './neighbours';
import { showLedgerIn } from './ledger-metrics';
import { listen, type Server } from './server';
import { createSweep } from './sweep';

async function main(): Promise<void> {
  const commandLine = configArgument();
  const config = readConfig(['databaseUrl'], undefined, commandLine);
  const log = openLog({ service: 'api', level: config.logLevel, format: config.logFormat });
  for (const warning of config.warnings) log.warn({ warning }, 'configuration');
  const shutdown = handleShutdown({ log, deadlineMs: config.shutdownTimeoutMs });
  const door = openDoor(config.exposure, log);
  if (door === undefined) return shutdown.begin('a key or certificate that cannot be used', 1);
  reloadOnHangup({ log, shutdown, commandLine, also: () => door.renew() });

  const sql = connectPostgres({
    url: config.databaseUrl,
    poolSize: config.poolSize,
    lifetimeSeconds: config.connectionSeconds,
    applicationName: 'bursar-api',
  });
  shutdown.add('postgres', () => sql.end({ timeout: 5 }));
  const metrics = createMetrics({ accountsMax: config.metricsAccounts });
  const neighbours = openNeighbours(config.integration, { log, metrics });
  shutdown.add('neighbours', () => neighbours.stop());
  neighbours.start();
  const ledger = openLedger(sql, { ...config, ...(neighbours.advisor && { advisor: neighbours.advisor }) });
  showLedgerIn(metrics, ledger);

  const temporal: TemporalDeps = {
    namespace: config.temporalNamespace,
    ...(config.temporalUiUrl !== undefined && { uiUrl: config.temporalUiUrl }),
  };
  if (config.temporalAddress !== undefined) {
    const connected = connectTemporal({ address: config.temporalAddress, namespace: config.temporalNamespace });
    shutdown.add('temporal', () => connected.close());
    Object.assign(temporal, {
      isReachable: () => answers(connected),
      restartStrays: () => withTemporal(() => restartStrays({ recovery: ledger.recovery, temporal: connected })),
      look: (asked) => withTemporal(() => lookThrough(connected, asked, config.writeTimeoutMs)),
      recover: (limit, after) =>
        withTemporal(() => recover({ recovery: ledger.recovery, temporal: connected }, limit, after)),
    } satisfies Partial<TemporalDeps>);
  }

  const sweep = createSweep({ ledger, temporal, log, metrics, everyMs: config.recoveryEveryMs });
  shutdown.add('sweep', () => sweep.stop());
  sweep.start();

  const host = door.tokens ? config.host : await allowedHost(config.host, ledger.keys, log, () => shutdown.hasBegun);
  if (host === undefined) return shutdown.begin('no API key', 1);
  keepOwnToken(config.home, log);

  const app = createApp({
    ledger,
    log,
    metrics,
    temporal,
    neighbours,
    defaultCluster: config.defaultCluster,
    timeZone: config.timeZone,
    budgets: budgetRules(config.budgets),
    host,
    hostNames: config.hostNames,
    ownToken: () => readOwnToken(config.home),
    deadlineMs: config.writeTimeoutMs,
    metricsPath: config.metricsPath ?? false,
    ...door.deps,
    asbx: asbxSettings(config),
    isEnding: () => shutdown.hasBegun,
  });
  const { certificate } = door;
  const server = listen(app, { hostname: host, port: config.port, log, certificate }, ({ address, family, port }) => {
    const url = `${certificate ? 'https' : 'http'}://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
    announce(log, 'listening', { url });
  });
  door.serve(server);
  // Longer than the clients that keep their connections keep them, so that none is closed under a request.
  server.keepAliveTimeout = 75_000;
  server.requestTimeout = config.readTimeoutMs;
  server.headersTimeout = config.readTimeoutMs;
  server.on('error', (error) => {
    log.fatal({ err: error, host: config.host, port: config.port }, 'cannot listen');
    void shutdown.begin('cannot listen', 1);
  });
  shutdown.add('server', () => closeServer(server));

  if (config.autoMigrate) await bringToSchema(sql, log, () => shutdown.hasBegun);
  await keepDefaultCluster(ledger.catalog, config.defaultCluster, config.timeZone, log, () => shutdown.hasBegun);
}

const asbxSettings = ({ asbx }: Config): AsbxSettings => ({
  spoolDirectories: asbx.spoolDirectories,
  autoReconcile: asbx.autoReconcile,
  updateCostModel: asbx.updateCostModel,
  thresholds: { accuracy: readAccuracy(asbx.accuracyThreshold), variance: parseAmount(asbx.varianceThreshold) },
});

const RETRY_MS = 2_000;

/** What needs PostgreSQL, which may still be starting. Undefined where the process has begun to end before it worked. */
async function untilItWorks<T>(
  work: () => Promise<T>,
  isEnding: () => boolean,
  onFailure: (error: unknown) => void,
): Promise<T | undefined> {
  while (!isEnding()) {
    try {
      return await work();
    } catch (error) {
      onFailure(error);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
  return undefined;
}

/**
 * Beyond this machine the API listens only once there is a key that an admin can use: without one it would serve anybody.
 * Undefined: there is none.
 */
async function allowedHost(host: string, keys: Keys, log: Log, isEnding: () => boolean): Promise<string | undefined> {
  if (isLoopbackHost(host)) return host;
  const known = await untilItWorks(
    () => keys.known(),
    isEnding,
    (error) => log.warn({ err: error, host }, 'keys cannot be read yet'),
  );
  if (known === undefined) return undefined;
  const isUsable = known.some(
    ({ scope, revokedAt, expiresAt }) =>
      scope === 'admin' && revokedAt === undefined && (expiresAt === undefined || Date.parse(expiresAt) > Date.now()),
  );
  if (isUsable) return host;
  const todo = 'run `bursar key create NAME --scope admin --first` with the same configuration, and start it again';
  log.fatal({ host, todo }, 'not beyond this machine without an API key');
  return undefined;
}

/** Without it the command on this machine needs a key like everybody else. */
function keepOwnToken(home: string, log: Log): void {
  try {
    writeOwnToken(home);
  } catch (error) {
    log.warn({ err: error, home }, 'own token not written');
  }
}

/** Takes no more connections, lets what was asked be answered, and closes each connection as it falls idle. */
async function closeServer(server: Server): Promise<void> {
  const idle = setInterval(() => server.closeIdleConnections(), 50);
  await new Promise<void>((resolve) => server.close(() => resolve()));
  clearInterval(idle);
}

/** As `bursar database migrate` does. Several processes may try it at once. */
async function bringToSchema(sql: Sql, log: Log, isEnding: () => boolean): Promise<void> {
  const done = await untilItWorks(
    () => migrate(sql),
    isEnding,
    (error) => log.warn({ err: error }, 'schema not migrated yet'),
  );
  if (done === undefined || done.applied.length === 0) return;
  log.info({ applied: done.applied, schemaVersion: done.schemaVersion }, 'schema migrated');
}

async function keepDefaultCluster(
  catalog: Catalog,
  name: string,
  timeZone: string,
  log: Log,
  isEnding: () => boolean,
): Promise<void> {
  const create = async () => {
    if (await ensureDefaultCluster(catalog, name, timeZone))
      log.info({ cluster: name, timeZone }, 'default cluster made');
  };
  await untilItWorks(create, isEnding, (error) =>
    log.warn({ err: error, cluster: name }, 'default cluster not made yet'),
  );
}

async function answers(temporal: Temporal): Promise<boolean> {
  try {
    await temporal.withDeadline(() => temporal.connection.workflowService.getSystemInfo({}), 1_000);
    return true;
  } catch {
    return false;
  }
}

/** Somebody waits for the answer: what is left of his time when the look has been ordered is for the look. */
const ANSWER_MS = 1_500;

async function lookThrough(
  { client, withDeadline }: Temporal,
  asked: QueueLook,
  timeoutMs: number,
): Promise<{ workflowId: string; report?: LookReport }> {
  const workflowId = askedLook(asked.cluster);
  const handle = await withDeadline(() =>
    client.workflow.start('queueLook', {
      workflowId,
      taskQueue: LEDGER_QUEUE,
      args: [asked],
      workflowIdConflictPolicy: 'USE_EXISTING',
      workflowExecutionTimeout: '10 minutes',
      staticSummary: `The queue of ${asked.cluster}, because somebody asked`,
    }),
  );
  const answer = handle.result() as Promise<LookReport>;
  const report = await within(Math.max(ANSWER_MS, timeoutMs - ANSWER_MS), answer).catch((error: unknown) => {
    if (error instanceof WorkflowFailedError) throw error;
    return undefined;
  });
  return { workflowId, ...(report && { report }) };
}

/** What goes wrong between us and Temporal is its absence; the ledger's own faults pass. */
async function withTemporal<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault('temporal_unavailable', 'Temporal cannot be reached at the moment; try again later.', {
      cause: error,
    });
  }
}

runProcess('api', main);
