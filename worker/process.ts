/** What the two entries of this folder have in common: they open the same things and go down in the same order. */
import { openLedger } from '../ledger';
import type { Ledger } from '../ledger/types';
import { readConfig } from '../platform/config';
import { openLog, type Log } from '../platform/log';
import { connectPostgres } from '../platform/postgres';
import { connectTemporal, type Temporal } from '../platform/temporal';

export interface House {
  config: ReturnType<typeof serverConfig>;
  log: Log;
  ledger: Ledger;
  temporal: Temporal;
  close(): Promise<void>;
}

const serverConfig = () => readConfig(['databaseUrl', 'temporalAddress']);

/** Nothing is connected yet: a process starts while PostgreSQL and Temporal are away, and works when they come. */
export function openHouse(service: string): House {
  const config = serverConfig();
  const log = openLog({ service, level: config.logLevel });
  for (const warning of config.warnings) log.warn({ warning }, 'configuration');
  const sql = connectPostgres({
    url: config.databaseUrl,
    poolSize: config.poolSize,
    applicationName: `bursar-${service}`,
  });
  const temporal = connectTemporal({ address: config.temporalAddress, namespace: config.temporalNamespace });
  return {
    config,
    log,
    ledger: openLedger(sql),
    temporal,
    close: async () => {
      await temporal.close();
      await sql.end({ timeout: 5 });
    },
  };
}

/** Below the time that supervisors and orchestrators wait before they kill. */
const PATIENCE_MS = 25_000;

/** Goes down on SIGTERM or SIGINT, step by step; at once on the second signal, or when a step takes for ever. */
export function stopOnSignal(log: Log, steps: readonly (() => Promise<unknown>)[]): void {
  let asked = false;
  const stop = async (signal: NodeJS.Signals) => {
    if (asked) process.exit(1);
    asked = true;
    log.info({ signal }, 'stopping');
    setTimeout(() => process.exit(1), PATIENCE_MS).unref();
    for (const step of steps) await step().catch((error: unknown) => log.error({ err: error }, 'stopping'));
    process.exit(0);
  };
  process.on('SIGTERM', (signal) => void stop(signal));
  process.on('SIGINT', (signal) => void stop(signal));
}
