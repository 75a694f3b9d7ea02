/** The worker: tells the stories, carries the outbox to Temporal, and sweeps. Any number of them may run. */
import { freePort } from '../platform/embedded/ports';
import { announce } from '../platform/log';
import { workflowBundle } from './bundle';
import { startDispatcher } from './dispatcher';
import { serveMetrics, workerMetrics } from './metrics';
import { ensureNamespace } from './namespace';
import { openHouse, stopOnSignal } from './process';
import { installRuntime } from './runtime';
import { ensureSweep } from './schedules';
import { startSweeper } from './sweeper';
import { keepWorkers } from './workers';

async function main(): Promise<void> {
  const { config, log, ledger, temporal, close } = openHouse('worker');
  const sdkPort = config.workerPort === undefined ? undefined : await freePort();
  installRuntime(log, sdkPort === undefined ? undefined : { host: config.host, port: sdkPort });

  const prepare = async () => {
    await ensureNamespace(temporal, log);
    await temporal.withDeadline(() => ensureSweep(temporal.client));
  };
  const dispatcher = startDispatcher({ outbox: ledger.outbox, temporal, log });
  let announced = false;
  const workers = keepWorkers({
    address: config.temporalAddress,
    ledger,
    temporal,
    log,
    prepare,
    workflowBundle: await workflowBundle(),
    ledgerCalls: config.poolSize,
    onReady: () => {
      if (!announced) announce(log, 'ready', { address: config.temporalAddress, namespace: config.temporalNamespace });
      announced = true;
    },
  });
  const sweeper = startSweeper({ ledger, temporal, prepare, log });

  if (config.workerPort !== undefined) {
    const registry = workerMetrics({
      outbox: ledger.outbox,
      dispatched: () => dispatcher.stats,
      working: () => workers.working,
    });
    await serveMetrics(registry, { host: config.host, port: config.workerPort, ...(sdkPort && { sdkPort }) });
  }
  stopOnSignal(log, [dispatcher.stop, sweeper.stop, workers.stop, close]);
}

void main();
