/** `bursar service`: the server itself, started here or looked at part by part. */
import type { Command } from 'commander';
import { latestSchemaVersion, readSchemaState, refuseMismatch, requireServer } from '../../migrations/migrate';
import { withoutPassword, type Config } from '../../platform/config';
import { connectPostgres } from '../../platform/postgres';
import { findRunningStack, type RunningStack } from '../../platform/supervisor';
import { connectTemporal, type Temporal } from '../../platform/temporal';
import { LEDGER_QUEUE } from '../../workflows/contracts/job-lifecycle';
import { EXIT, Stop } from '../exit';
import { clockIn } from '../format';
import { messageOf } from '../own-database';
import type { Act, Session } from '../session';
import { settings } from '../settings';
import type { Health } from '../wire';
import { readHealth } from './status';
import { runUp } from './up';

/** What is told of a part. `unknown`: nobody here can say. */
interface Part {
  part: string;
  state: 'healthy' | 'unhealthy' | 'unknown';
  version?: string | undefined;
  where?: string | undefined;
  detail?: string | undefined;
}

const FIELDS: readonly (keyof Part)[] = ['part', 'state', 'version', 'where', 'detail'];

/** What does not answer within this long is not well. */
const PATIENCE_MS = 3_000;

/** A worker asks for work at least once a minute, and Temporal remembers who asked for some minutes more. */
const ASKS_AT_LEAST_EVERY_MS = 70_000;

export function defineService(parent: Command, act: Act): void {
  const service = parent
    .command('service')
    .summary('The server itself: start it, look at its parts')
    .description('The server itself: started here, or looked at part by part.')
    .addHelpText('after', '\nExamples:\n  $ bursar service start\n  $ bursar service status\n');

  service
    .command('start')
    .summary('Run it here, in the foreground')
    .description(
      'Run the server here until Ctrl-C or SIGTERM, as `bursar up` does: PostgreSQL, Temporal, worker and API, or the PostgreSQL and the Temporal of the configuration. If it runs already, this says where.',
    )
    .addHelpText(
      'after',
      `
Examples:
  $ bursar service start
  $ bursar --config /etc/bursar/bursar.yaml service start
`,
    )
    .action(act(runUp));

  service
    .command('status')
    .summary('What runs where, in which version, and is it well?')
    .description(
      'Show each part of the server as seen from this machine: where it is, in which version, and whether it is well. Ends with 0 if all are, with 5 if the API or its database cannot be reached, else with 1.',
    )
    .addHelpText(
      'after',
      `
Examples:
  $ bursar service status
  $ bursar service status --json | jq '.parts[] | select(.state != "healthy")'

With --endpoint or BURSAR_URL it is that API which says how its database and its Temporal are, unless DATABASE_URL and
TEMPORAL_ADDRESS (or the configuration file) name them here.
`,
    )
    .action(act(showStatus));
}

async function showStatus(session: Session): Promise<void> {
  const config = settings(session);
  const running = session.endpointWasNamed ? undefined : findRunningStack(config.home);
  const databaseUrl = config.databaseUrl ?? running?.addresses?.database;
  const temporalAddress = config.temporalAddress ?? running?.addresses?.temporal;
  const [{ api, health }, database, stories] = await Promise.all([
    askApi(session),
    databaseUrl === undefined ? undefined : askDatabase(databaseUrl),
    temporalAddress === undefined ? undefined : askTemporal(temporalAddress, config),
  ]);
  const parts: Part[] = [
    api,
    database ?? asApiSays('database', health?.services.database),
    ...(stories ?? [asApiSays('Temporal', health?.services.temporal), { part: 'worker', state: 'unknown' as const }]),
  ];
  const isWell = parts.every(({ state }) => state !== 'unhealthy');
  const report = {
    healthy: isWell,
    ...(running && { home: running.home, pid: running.supervisor.pid, started_at: running.startedAt }),
    parts,
  };
  session.answer(report, () => show(session, parts, running), FIELDS, parts);
  if (isWell) return;
  const isGone = parts.some(({ part, state }) => state === 'unhealthy' && (part === 'API' || part === 'database'));
  throw new Stop(isGone ? EXIT.unreachable : EXIT.failure, '');
}

function show(session: Session, parts: readonly Part[], running: RunningStack | undefined): void {
  if (running) {
    session.line(
      `Runs in ${running.home} (process ${running.supervisor.pid}) since ${clockIn(running.startedAt, 'UTC')}.`,
    );
  }
  session.table(parts, [
    { title: 'PART', value: ({ part }) => part },
    {
      title: 'STATE',
      value: ({ state }) => state,
      color: ({ state }) => (({ healthy: 'green', unhealthy: 'red', unknown: 'yellow' }) as const)[state],
    },
    { title: 'VERSION', value: ({ version }) => version },
    { title: 'WHERE', value: ({ where }) => where, shrinksTo: 20 },
    { title: 'DETAIL', value: ({ detail }) => detail, shrinksTo: 20, optional: 1 },
  ]);
}

async function askApi(session: Session): Promise<{ api: Part; health?: Health }> {
  const { endpoint } = session;
  try {
    const health = await readHealth(session.client);
    const api: Part = {
      part: 'API',
      // Where only its database is not there, the API itself is well, and the next line says what is not.
      state: 'healthy',
      version: health.version,
      where: endpoint,
      detail: `up ${health.uptime}`,
    };
    return { api, health };
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    return { api: { part: 'API', state: 'unhealthy', where: endpoint, detail: error.message } };
  }
}

function asApiSays(part: string, said: string | undefined): Part {
  if (said === undefined || said === 'not_configured') return { part, state: 'unknown', detail: said };
  return { part, state: said === 'healthy' ? 'healthy' : 'unhealthy', detail: `${said}, as the API says` };
}

async function askDatabase(url: string): Promise<Part> {
  const part = { part: 'database', where: withoutPassword(url) };
  const sql = connectPostgres({ url, poolSize: 1, applicationName: 'bursar-service' });
  try {
    return await soon(
      (async (): Promise<Part> => {
        const version = await requireServer(sql);
        const state = await readSchemaState(sql);
        refuseMismatch(state);
        const has = Number(state.applied.at(-1)?.name.slice(0, 4) ?? 0);
        const isReady = state.pending.length === 0 && state.functions === 'ours';
        return {
          ...part,
          state: isReady ? 'healthy' : 'unhealthy',
          version,
          detail: isReady
            ? `schema ${has}`
            : `schema ${has}, and this version has ${latestSchemaVersion()}: run \`bursar database migrate\``,
        };
      })(),
    );
  } catch (error) {
    return { ...part, state: 'unhealthy', detail: messageOf(error) };
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** Temporal, and who asks it for work. */
async function askTemporal(address: string, { temporalNamespace: namespace }: Config): Promise<Part[]> {
  const temporal = connectTemporal({ address, namespace, deadlineMs: PATIENCE_MS });
  const part = { part: 'Temporal', where: `${address}, namespace ${namespace}` };
  try {
    const { serverVersion } = await temporal.withDeadline(() => temporal.connection.workflowService.getSystemInfo({}));
    return [
      { ...part, state: 'healthy', version: serverVersion ?? undefined },
      ...(await workers(temporal, namespace).catch(noWorker)),
    ];
  } catch (error) {
    return [
      { ...part, state: 'unhealthy', detail: messageOf(error) },
      { part: 'worker', state: 'unknown', detail: 'Temporal would know' },
    ];
  } finally {
    await temporal.close();
  }
}

/** Such as when there is no such namespace yet: a worker would have made it. */
const noWorker = (error: unknown): Part[] => [{ part: 'worker', state: 'unhealthy', detail: messageOf(error) }];

async function workers(temporal: Temporal, namespace: string): Promise<Part[]> {
  const { pollers } = await temporal.withDeadline(() =>
    temporal.connection.workflowService.describeTaskQueue({
      namespace,
      taskQueue: { name: LEDGER_QUEUE },
      taskQueueType: TASK_QUEUE_OF_WORKFLOWS,
    }),
  );
  const found = (pollers ?? []).map(({ identity, lastAccessTime }): Part => {
    const agoMs = Date.now() - Number(lastAccessTime?.seconds ?? 0) * 1000;
    const asked = `asked for work ${Math.max(0, Math.floor(agoMs / 1000))} s ago`;
    return {
      part: 'worker',
      state: agoMs < ASKS_AT_LEAST_EVERY_MS ? 'healthy' : 'unhealthy',
      where: identity ?? undefined,
      detail: asked,
    };
  });
  // Of those that ended Temporal still tells for a while; they matter to nobody where others do the work.
  const working = found.filter(({ state }) => state === 'healthy');
  if (working.length > 0) return working;
  return [{ part: 'worker', state: 'unhealthy', detail: found[0]?.detail ?? 'nobody asks Temporal for work' }];
}

/** temporal.api.enums.v1.TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW */
const TASK_QUEUE_OF_WORKFLOWS = 1;

function soon<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${PATIENCE_MS / 1000} s`)), PATIENCE_MS);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
