/**
 * The embedded Temporal: the CLI's dev server with its state on disk and its web page, on 127.0.0.1 only.
 *
 * The file gets its schema only when it is new, so its name carries the version of the server. WAL and NORMAL survive
 * `kill -9` and cost a tenth of SQLite's own defaults (temporal.md §4.1).
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  encodeSearchAttributeIndexedValueType,
  type SearchAttributeKey,
  type SearchAttributeType,
} from '@temporalio/common/lib/search-attributes';
import { msToTs } from '@temporalio/common/lib/time';
import { connectTemporal, type Temporal } from '../temporal';
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

export interface NamespaceWishes {
  namespace: string;
  searchAttributes: readonly SearchAttributeKey<SearchAttributeType>[];
  /** Undefined leaves the retention as it is: of a Temporal that is not ours. */
  retentionDays?: number;
}

/**
 * Registers the search attributes that are missing and raises the retention. Harmless any number of times.
 *
 * The dev server's own flag registers them only while it makes a new file, and it keeps closed workflows for a day.
 */
export async function prepareNamespace(temporal: Temporal, wishes: NamespaceWishes): Promise<void> {
  const { namespace, searchAttributes, retentionDays } = wishes;
  const { operatorService, workflowService } = temporal.connection;
  await temporal.withDeadline(async () => {
    const { customAttributes } = await operatorService.listSearchAttributes({ namespace });
    const missing = searchAttributes.filter(({ name }) => !(name in customAttributes));
    if (missing.length > 0) {
      await operatorService.addSearchAttributes({
        namespace,
        searchAttributes: Object.fromEntries(
          missing.map(({ name, type }) => [name, encodeSearchAttributeIndexedValueType(type) ?? 0]),
        ),
      });
    }
    if (retentionDays === undefined) return;
    const wantedSeconds = retentionDays * 24 * 3600;
    const { config } = await workflowService.describeNamespace({ namespace });
    if (Number(config?.workflowExecutionRetentionTtl?.seconds ?? 0) >= wantedSeconds) return;
    const workflowExecutionRetentionTtl = msToTs(wantedSeconds * 1000);
    await workflowService.updateNamespace({ namespace, config: { workflowExecutionRetentionTtl } });
  }, 15_000);
}
