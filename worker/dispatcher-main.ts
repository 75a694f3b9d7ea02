/** A dispatcher alone, for sites that want more of them than workers, or none inside their workers' hosts. */
import { announce } from '../platform/log';
import { startDispatcher } from './dispatcher';
import { serveMetrics, workerMetrics } from './metrics';
import { openHouse, stopOnSignal } from './process';

async function main(): Promise<void> {
  const { config, log, ledger, temporal, close } = openHouse('dispatcher');
  const dispatcher = startDispatcher({ outbox: ledger.outbox, temporal, log });
  if (config.workerPort !== undefined) {
    const registry = workerMetrics({ outbox: ledger.outbox, dispatched: () => dispatcher.stats });
    await serveMetrics(registry, { host: config.host, port: config.workerPort });
  }
  stopOnSignal(log, [dispatcher.stop, close]);
  announce(log, 'ready', { address: config.temporalAddress, namespace: config.temporalNamespace });
}

void main();
