/** Starting a Bursar of one's own, as `up` and `demo` do: its words when it cannot start, the wait for Ctrl-C. */
import { AlreadyRunning } from '../platform/supervisor';
import { EXIT, Stop } from './exit';
import type { Session } from './session';
import { settings } from './settings';
import { describe, startStack } from './stack';

/** Starts the stack; what goes wrong is said in a sentence, with the logs to look at. */
export async function startOrStop(
  session: Session,
  say: (line: string) => void,
  options: { anyApiPort?: boolean } = { anyApiPort: true },
) {
  try {
    return await startStack({
      config: settings(session),
      signal: session.io.interrupted,
      killSignal: session.io.insisted,
      onEvent: (event) => say(describe(event)),
      ...options,
    });
  } catch (error) {
    if (error instanceof AlreadyRunning)
      throw new Stop(EXIT.failure, `${error.message}.`, { hints: ['`bursar up` says where.'] });
    if (session.io.interrupted.aborted) throw new Stop(EXIT.interrupted, 'Stopped.');
    if (error instanceof Stop) throw error;
    throw new Stop(
      EXIT.failure,
      `Bursar could not be started: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

export const untilInterrupted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
    // A listener alone keeps no process alive, and the children are watched by timers that may not.
    const alive = setInterval(() => undefined, 60_000);
    signal.addEventListener('abort', () => clearInterval(alive), { once: true });
  });
