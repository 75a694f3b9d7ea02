/** The Bursar that the demo talks to: the one that was named, the one that runs here, or one that is started for it. */
import { EXIT, Stop } from '../exit';
import { startOrStop, untilInterrupted } from '../own-stack';
import type { Session } from '../session';
import { settings } from '../settings';
import { findRunningStack } from '../stack';

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
      if (io.out.isTerminal) session.line('Stopping Bursar ... (Ctrl-C again kills it)');
      await stack.stop();
    },
  };
}
