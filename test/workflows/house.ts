/** A whole house on the real servers: a database, a Temporal namespace, dispatcher and workers of its own. */
import { randomBytes } from 'node:crypto';
import { DefaultLogger, NativeConnection, Runtime, type Worker } from '@temporalio/worker';
import pino from 'pino';
import type { Mailer, Scheduler, SchedulerAdapter, WallSettings } from '../../activities';
import type { Ledger } from '../../ledger/contract';
import { connectTemporal, type Temporal } from '../../platform/temporal';
import { bundleWorkflows } from '../../worker/bundle';
import { startDispatcher, type Dispatcher, type DispatcherOptions } from '../../worker/dispatcher';
import { ensureNamespace } from '../../worker/namespace';
import { createStoryWorkers, runAll, shutDown } from '../../worker/workers';
import { temporalAddress } from '../helpers/temporal';

export const silence = pino({ level: process.env.BURSAR_TEST_LOG ?? 'silent' });

/** Waits for something to become true, or says what never did. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false>,
  withinMs = 60_000,
): Promise<T> {
  for (const giveUpAt = Date.now() + withinMs; ;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (Date.now() > giveUpAt) throw new Error(`never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export interface Namespace extends AsyncDisposable {
  name: string;
  address: string;
  temporal: Temporal;
}

/** A namespace of its own keeps queues, schedules and searches of suites apart. The server needs about a second for it. */
export async function freshNamespace(at?: string): Promise<Namespace> {
  const address = at ?? (await temporalAddress());
  const name = `t-${randomBytes(6).toString('hex')}`;
  const temporal = connectTemporal({ address, namespace: name });
  await until(`namespace ${name} is ready`, () =>
    ensureNamespace(temporal, silence).then(
      () => true,
      () => false,
    ),
  );
  return { name, address, temporal, [Symbol.asyncDispose]: () => temporal.close() };
}

let bundle: Promise<{ code: string }> | undefined;

export interface CrewOptions {
  namespace: Namespace;
  ledger: Ledger;
  adapterOf?: (cluster: string) => SchedulerAdapter | undefined;
  mailer?: Mailer;
  wall?: WallSettings;
  schedulerOf?: (cluster: string) => Scheduler | undefined;
}

export interface Crew extends AsyncDisposable {
  stop(): Promise<void>;
}

/** Workers that forget every story between two tasks, so that each step is a replay of all steps before it. */
export async function startCrew({
  namespace,
  ledger,
  adapterOf,
  schedulerOf,
  mailer,
  wall,
}: CrewOptions): Promise<Crew> {
  bundle ??= bundleWorkflows();
  const connection = await NativeConnection.connect({ address: namespace.address });
  const workers: Worker[] = await createStoryWorkers({
    connection,
    ledger,
    temporal: namespace.temporal,
    workflowBundle: await bundle,
    cachedStories: 0,
    ...(adapterOf === undefined ? {} : { adapterOf }),
    ...(mailer === undefined ? {} : { mailer }),
    ...(wall === undefined ? {} : { wall }),
    ...(schedulerOf === undefined ? {} : { schedulerOf }),
  });
  const running = runAll(workers);
  const stop = async () => {
    shutDown(workers);
    await running;
    await connection.close();
  };
  return { stop, [Symbol.asyncDispose]: stop };
}

export type TestDispatcher = Dispatcher & AsyncDisposable;

export function startTestDispatcher(
  ledger: Pick<Ledger, 'outbox'>,
  { temporal }: Pick<Namespace, 'temporal'>,
  options: Partial<DispatcherOptions> = {},
): TestDispatcher {
  const { outbox } = ledger;
  const dispatcher = startDispatcher({ outbox, temporal, log: silence, pollMs: 20, backOff: [20, 200], ...options });
  return { ...dispatcher, [Symbol.asyncDispose]: () => dispatcher.stop() };
}

/** Once a file: the SDK's own logs would bury the results. */
export const quietRuntime = (): void => {
  Runtime.install({
    logger: new DefaultLogger('ERROR'),
    shutdownSignals: [],
    telemetryOptions: { logging: { filter: 'ERROR', forward: {} } },
  });
};
