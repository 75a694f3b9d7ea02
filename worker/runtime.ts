/** The SDK's own runtime: its logs join ours, its metrics get a port. Once a process, before any worker is made. */
import { DefaultLogger, Runtime, type LogEntry } from '@temporalio/worker';
import type { Log } from '../platform/log';

export interface RuntimeMetrics {
  host: string;
  port: number;
}

export function installRuntime(log: Log, metrics?: RuntimeMetrics): void {
  Runtime.install({
    logger: new DefaultLogger('INFO', (entry) => write(log, entry)),
    // main.ts stops things in its own order.
    shutdownSignals: [],
    telemetryOptions: {
      logging: { filter: 'WARN', forward: {} },
      ...(metrics && {
        metrics: {
          prometheus: {
            bindAddress: `${metrics.host}:${metrics.port}`,
            countersTotalSuffix: true,
            unitSuffix: true,
            useSecondsForDurations: true,
          },
        },
      }),
    },
  });
}

/** What the SDK calls info (a worker changed its state) is detail to an operator of Bursar. */
const LEVELS = { TRACE: 'trace', DEBUG: 'debug', INFO: 'debug', WARN: 'warn', ERROR: 'error' } as const;

function write(log: Log, { level, message, meta }: LogEntry): void {
  const { error, ...fields } = meta ?? {};
  log[LEVELS[level]]({ ...fields, ...(error !== undefined && { err: error }) }, message);
}
