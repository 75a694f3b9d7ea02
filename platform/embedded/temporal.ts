/**
 * The embedded Temporal: the CLI's dev server with its state on disk and its web page, on 127.0.0.1 only.
 *
 * The file gets its schema only when it is new, so its name carries the version of the server. WAL and NORMAL survive
 * `kill -9` and cost a tenth of SQLite's own defaults (temporal.md §4.1).
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { connectTemporal } from '../temporal';
import type { StopStep } from './processes';
import type { ServiceSpec } from './service';
import type { TemporalCli } from './temporal-cli';

export interface EmbeddedTemporalOptions {
  home: string;
  cli: TemporalCli;
  port: number;
  /** Undefined: no web page. */
  uiPort?: number;
  namespace?: string;
  logFile: string;
}

export interface EmbeddedTemporal {
  spec: ServiceSpec;
  address: string;
  uiUrl?: string;
}

const STOP_STEPS: readonly StopStep[] = [['SIGTERM', 10_000]];

export function openEmbeddedTemporal(options: EmbeddedTemporalOptions): EmbeddedTemporal {
  const { home, cli, port, uiPort, namespace = 'default', logFile } = options;
  mkdirSync(home, { recursive: true });
  const address = `127.0.0.1:${port}`;
  const spec: ServiceSpec = {
    name: 'temporal',
    logFile,
    readyWithinMs: 60_000,
    attempts: 3,
    stopSteps: STOP_STEPS,
    launch: () =>
      Promise.resolve({
        command: cli.path,
        args: [
          ...['server', 'start-dev', '--ip', '127.0.0.1', '--port', String(port), '--namespace', namespace],
          ...(uiPort === undefined ? ['--headless'] : ['--ui-ip', '127.0.0.1', '--ui-port', String(uiPort)]),
          ...['--db-filename', join(home, `temporal-${cli.serverVersion}.db`)],
          ...['--sqlite-pragma', 'journal_mode=WAL', '--sqlite-pragma', 'synchronous=NORMAL'],
          // Else it asks its vendor for newer versions.
          ...['--dynamic-config-value', 'frontend.enableServerVersionCheck=false'],
          ...['--log-level', 'warn', '--log-format', 'json'],
        ],
        cwd: home,
      }),
    isReady: () => servesNamespace(address, namespace),
  };
  return { spec, address, ...(uiPort !== undefined && { uiUrl: `http://127.0.0.1:${uiPort}` }) };
}

async function servesNamespace(address: string, namespace: string): Promise<boolean> {
  const temporal = connectTemporal({ address, namespace, deadlineMs: 1_000 });
  try {
    await temporal.withDeadline(() => temporal.connection.workflowService.describeNamespace({ namespace }));
    return true;
  } catch {
    return false;
  } finally {
    await temporal.close();
  }
}
