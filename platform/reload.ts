/** SIGHUP: the configuration is read again, what can change while a process runs changes, and the log says what cannot. */
import { ConfigError, readSettings, type FromCommandLine } from './config';
import type { KEYS, KeyName } from './config/keys';
import type { Log } from './log';
import type { Shutdown } from './shutdown';

type Reloadable = {
  [Name in KeyName]: (typeof KEYS)[Name] extends { reloads: true } ? Name : never;
}[KeyName];

const APPLY: Record<Reloadable, (log: Log, text: string) => void> = {
  'logging.level': (log, level) => {
    log.level = level;
  },
};

const isReloadable = (key: KeyName): key is Reloadable => Object.hasOwn(APPLY, key);

export interface ReloadDeps {
  log: Log;
  shutdown: Pick<Shutdown, 'begin'>;
  commandLine?: FromCommandLine;
  /** Reads again what is in other files. */
  also?: () => void;
}

/** Listens for SIGHUP. In a terminal it still means that the terminal is gone, and ends the process. */
export function reloadOnHangup({ log, shutdown, commandLine = {}, also }: ReloadDeps): void {
  const running = new Map(readSettings(undefined, commandLine).texts);
  process.on('SIGHUP', () => {
    if (process.stdout.isTTY) void shutdown.begin('SIGHUP');
    else {
      reload(log, commandLine, running);
      also?.();
    }
  });
}

function reload(log: Log, commandLine: FromCommandLine, running: Map<KeyName, string>): void {
  try {
    const { texts, warnings, file } = readSettings(undefined, commandLine);
    const changed = [...new Set([...running.keys(), ...texts.keys()])].filter(
      (key) => running.get(key) !== texts.get(key),
    );
    const reloaded = changed.filter(isReloadable);
    for (const key of reloaded) {
      const text = texts.get(key);
      if (text === undefined) continue; // Whatever can be reloaded has a default.
      APPLY[key](log, text);
      running.set(key, text);
    }
    for (const warning of warnings) log.warn({ warning }, 'configuration');
    const needsRestart = changed.filter((key) => !isReloadable(key));
    // Past the level: whoever has just made the log quiet wants to know that it was heard.
    const told = log.child({}, { level: 'info' });
    told.info({ file, reloaded, needsRestart }, 'configuration reloaded');
    told.flush();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    log.error({ mistakes: error.mistakes }, 'configuration not reloaded');
  }
}
