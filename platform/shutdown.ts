/** Ending a process well: what was opened is closed, the last opened first, within a deadline. */
import type { Log } from './log';

export interface Shutdown {
  /** Something to close; the last one registered is closed first. */
  add(name: string, close: () => Promise<unknown> | void): void;
  /** Closes everything and ends the process. Called by SIGTERM and SIGINT; a second call changes nothing. */
  begin(why: string, exitCode?: number): Promise<void>;
  /** True from the first moment of the end: readiness turns false while open requests are still answered. */
  readonly hasBegun: boolean;
}

export interface ShutdownOptions {
  log: Log;
  /** After this the process ends, closed or not. Keep it below what the supervisor waits before it kills. */
  deadlineMs: number;
  /** For tests. */
  exit?: (code: number) => void;
}

export function handleShutdown({ log, deadlineMs, exit = process.exit }: ShutdownOptions): Shutdown {
  const open: { name: string; close: () => Promise<unknown> | void }[] = [];
  let ending: Promise<void> | undefined;

  async function end(why: string, exitCode: number): Promise<void> {
    // Before anything else: whatever goes wrong from here on, the process ends.
    const giveUp = setTimeout(() => {
      tell(() => log.error({ deadlineMs, left: open.map(({ name }) => name) }, 'stopping took too long'));
      leave(1);
    }, deadlineMs);
    giveUp.unref();
    tell(() => log.info({ why }, 'stopping'));
    for (let step = open.pop(); step !== undefined; step = open.pop()) {
      try {
        await step.close();
      } catch (error) {
        tell(() => log.error({ err: error, step: step.name }, 'could not be closed'));
      }
    }
    clearTimeout(giveUp);
    tell(() => log.info('stopped'));
    leave(exitCode);
  }

  /** What somebody does at the exit may throw, and our own handler of exceptions would keep the process as a ghost. */
  function leave(code: number): void {
    try {
      exit(code);
    } catch {
      process.kill(process.pid, 'SIGKILL');
    }
  }

  const shutdown: Shutdown = {
    add: (name, close) => void open.push({ name, close }),
    begin: (why, exitCode = 0) => (ending ??= end(why, exitCode)),
    get hasBegun() {
      return ending !== undefined;
    },
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void shutdown.begin(signal));
  // Something nobody foresaw: the state of the process is unknown, its books are not. End, and be started again.
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      tell(() => log.fatal({ err: error }, event));
      void shutdown.begin(event, 1);
    });
  }
  return shutdown;
}

/** Ending does not depend on being able to say so. */
function tell(say: () => void): void {
  try {
    say();
  } catch {
    // The log was told, or it was not.
  }
}
