/** How the processes of a server begin. */
import { ConfigError } from './config';
import { openLog } from './log';

/**
 * Runs one. A configuration that cannot be used is said where everything else is, in a line of the log: what the log is to look
 * like is in that configuration too, so it is said as by default.
 */
export function runProcess(service: string, main: () => Promise<void>): void {
  main().catch((error: unknown) => {
    if (!(error instanceof ConfigError)) throw error;
    const log = openLog({ service, level: 'info' });
    for (const warning of error.warnings) log.warn({ warning }, 'configuration');
    log.fatal({ mistakes: error.mistakes }, 'configuration cannot be used');
    log.flush();
    process.exitCode = 1;
  });
}
