/** The Bursar that the demo talks to: the one that was named, the one that runs here, or one that is started for it. */
import { ConfigError, readConfig, type Config } from '../../platform/config';
import { EXIT, Stop } from '../exit';
import type { Session } from '../session';
import { AlreadyRunning, describe, findRunningStack, startStack } from '../stack';

export interface OpenStack {
  url: string;
  /** In a terminal, and unless it is to run once: until Ctrl-C, if it was started for the demo. */
  stayUp(once: boolean): Promise<void>;
  close(): Promise<void>;
}

export async function openStack(session: Session): Promise<OpenStack> {
  if (session.endpointWasNamed) return somebodyElses(session, session.endpoint);
  const running = findRunningStack(home(session));
  if (running) {
    if (!running.addresses) {
      throw new Stop(EXIT.failure, `Bursar is just starting in ${running.home}.`, {
        hints: ['Try again in a moment.'],
      });
    }
    session.line(`Bursar runs already at ${running.addresses.api}; the demo uses it.`);
    return somebodyElses(session, running.addresses.api);
  }
  return startOwn(session);
}

const home = (session: Session): string => settings(session).home;

/** The configuration, or a sentence about every mistake in it. */
export function settings(session: Session): Config {
  try {
    return readConfig([], { ...session.io.env });
  } catch (error) {
    if (error instanceof ConfigError) throw new Stop(EXIT.usage, error.message);
    throw error;
  }
}

function somebodyElses(session: Session, url: string): OpenStack {
  return {
    url,
    stayUp: (once) => {
      if (session.io.out.isTerminal && !once) session.heading(`Bursar goes on running at ${url}.`);
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  };
}

async function startOwn(session: Session): Promise<OpenStack> {
  const { io, paint } = session;
  session.line(paint('bold', 'Starting Bursar'));
  const stack = await startOrStop(session, (line) => session.line(`  ${line}`));
  session.line();
  return {
    url: stack.addresses.api,
    stayUp: async (once) => {
      if (!io.out.isTerminal || once) return;
      session.heading('Bursar stays up until Ctrl-C.');
      await untilInterrupted(io.interrupted);
    },
    close: async () => {
      if (io.out.isTerminal) session.line('Stopping Bursar ...');
      await stack.stop();
    },
  };
}

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
