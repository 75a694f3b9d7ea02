/** The worker: tells the stories, carries the outbox to Temporal, and sweeps. Any number of them may run. */
import { openMailer } from '../activities';
import { freePort } from '../platform/embedded/ports';
import { runProcess } from '../platform/entry';
import { announce } from '../platform/log';
import { loopbackOf } from '../platform/own-token';
import { workflowBundle } from './bundle';
import { startDispatcher } from './dispatcher';
import { ensureNamespace } from './namespace';
import { openMetricsPage, openProcess } from './process';
import { installRuntime } from './runtime';
import { openSchedulers } from './schedulers';
import { ensureLooks, ensureNotices, ensureSweep, ensureWall } from './schedules';
import { startSweeper } from './sweeper';
import { keepWorkers } from './workers';

/** By then Temporal's own schedule has not swept, and the process does. */
const SWEEPS_MISSED = 5;

async function main(): Promise<void> {
  const opened = openProcess('worker');
  const { config, log, shutdown, metrics, ledger, temporal } = opened;
  const { temporalAddress: address, temporalNamespace: namespace } = config;
  const host = loopbackOf(config.host);
  const sdkPort = config.workerPort === undefined ? undefined : await freePort(host);
  installRuntime(log, sdkPort === undefined ? undefined : { host, port: sdkPort });

  const { slurm, wallEveryMs } = config;
  const wall = {
    clusters: slurm.wallClusters,
    bin: slurm.binPath,
    conf: slurm.configFile,
    timeoutMs: slurm.timeoutMs,
  };
  const mailer = config.notifications && openMailer(config.notifications);
  const prepare = async () => {
    await ensureNamespace(temporal, log);
    await temporal.withDeadline(() => ensureSweep(temporal.client, config.recoveryEveryMs));
    await temporal.withDeadline(() => ensureLooks(temporal.client, { ...config.slurm, timeZone: config.timeZone }));
    await temporal.withDeadline(() => ensureNotices(temporal.client, mailer !== undefined));
    await temporal.withDeadline(() => ensureWall(temporal.client, wallEveryMs));
  };
  let isFirstTime = true;
  const common = { ledger, temporal, metrics, log, prepare };
  const workers = keepWorkers({
    ...common,
    address,
    workflowBundle: await workflowBundle(),
    schedulerOf: openSchedulers(config, log),
    ledgerCalls: config.poolSize,
    ...(mailer && { mailer }),
    ...(wallEveryMs === undefined ? {} : { wall }),
    onReady: () => {
      if (isFirstTime) announce(log, 'ready', { address, namespace });
      isFirstTime = false;
    },
  });
  const dispatcher = startDispatcher({ ...common, outbox: ledger.outbox });
  const sweeper = startSweeper({ ...common, everyMs: SWEEPS_MISSED * config.recoveryEveryMs });
  shutdown.add('stories', () => Promise.all([dispatcher.stop(), sweeper.stop(), workers.stop()]));
  await openMetricsPage(opened, sdkPort);
}

runProcess('worker', main);
