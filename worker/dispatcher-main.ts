/** A dispatcher alone, for sites that want more of them than workers. */
import { runProcess } from '../platform/entry';
import { announce } from '../platform/log';
import { startDispatcher } from './dispatcher';
import { openMetricsPage, openProcess } from './process';

async function main(): Promise<void> {
  const opened = openProcess('dispatcher');
  const { config, log, shutdown, metrics, ledger, temporal } = opened;
  const dispatcher = startDispatcher({ outbox: ledger.outbox, temporal, metrics, log });
  shutdown.add('dispatcher', () => dispatcher.stop());
  await openMetricsPage(opened);
  announce(log, 'ready', { address: config.temporalAddress, namespace: config.temporalNamespace });
}

runProcess('dispatcher', main);
