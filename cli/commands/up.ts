import type { Command } from 'commander';
import { EXIT, Stop } from '../exit';
import { AlreadyRunning, describe, findRunningStack, listAddresses, startStack, type StackAddresses } from '../stack';
import type { Act, Session } from '../session';

export function defineUp(parent: Command, act: Act): void {
  parent
    .command('up')
    .summary('Run Bursar here: PostgreSQL, Temporal, worker and API')
    .description(
      'Run everything on this machine until Ctrl-C, and start again what dies. The data lives in BURSAR_HOME (.bursar/ in a checkout). With DATABASE_URL or TEMPORAL_ADDRESS set, yours are used instead.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar up\n  $ BURSAR_PORT=8081 BURSAR_HOME=/srv/bursar bursar up\n  $ DATABASE_URL=postgres://bursar@db/bursar TEMPORAL_ADDRESS=temporal:7233 bursar up\n',
    )
    .action(act(run));
}

async function run(session: Session): Promise<void> {
  const { interrupted } = session.io;
  const stack = await start(session);
  if (!stack) return;
  showAddresses(session, stack.addresses);
  session.line();
  session.line(`Logs are in ${stack.logFolder}. Ctrl-C stops everything.`);
  session.line('Next, in another terminal:');
  session.line();
  session.line(`  ${session.paint('bold', NEXT)}`);
  session.line();

  await new Promise((resolve) => {
    if (interrupted.aborted) resolve(undefined);
    else interrupted.addEventListener('abort', resolve, { once: true });
  });
  session.line('Stopping …');
  await stack.stop();
  session.line('Stopped. The data stays where it is.');
}

const NEXT = 'npx bursar account create climate --name Climate --budget 1000 --start 2026-01-01 --end 2027-12-31';

async function start(session: Session) {
  try {
    return await startStack({
      onEvent: (event) => {
        const troubled = event.type === 'died' || event.type === 'note';
        session.line(session.paint(troubled ? 'yellow' : event.type === 'step' ? 'dim' : 'green', describe(event)));
      },
      signal: session.io.interrupted,
    });
  } catch (error) {
    if (error instanceof AlreadyRunning) return showRunning(session, error);
    if (session.io.interrupted.aborted) throw error;
    throw new Stop(EXIT.failure, error instanceof Error ? error.message : String(error));
  }
}

/** A second start is no mistake: whoever asks for a running Bursar is told that there is one, and where. */
function showRunning(session: Session, { home, message }: AlreadyRunning): undefined {
  const running = findRunningStack(home);
  session.line(session.paint('green', `${message}.`));
  if (!running?.addresses) {
    session.line('It is still being started; its addresses are not known yet.');
    return;
  }
  showAddresses(session, running.addresses);
  const down = Object.keys(running.services).filter((name) => !running.alive.includes(name));
  if (down.length > 0) session.line(session.paint('yellow', `Not running at this moment: ${down.join(', ')}.`));
}

function showAddresses(session: Session, addresses: StackAddresses): void {
  session.line();
  session.fields(listAddresses(addresses));
}
