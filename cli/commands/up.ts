import type { Command } from 'commander';
import type { StackAddresses } from '../../platform/supervisor';
import { EXIT, Stop } from '../exit';
import { startOrStop, untilInterrupted } from '../own-stack';
import type { Act, Session } from '../session';
import { settings } from '../settings';
import { findRunningStack, listAddresses } from '../stack';

export function defineUp(parent: Command, act: Act): void {
  parent
    .command('up')
    .summary('Run Bursar here: PostgreSQL, Temporal, worker and API')
    .description(
      'Run Bursar here until Ctrl-C: PostgreSQL, Temporal with its pages, the worker and the API. Data lives in BURSAR_HOME and survives restarts. With DATABASE_URL or TEMPORAL_ADDRESS, yours are used. If it runs already, this says where.',
    )
    .addHelpText(
      'after',
      `
Examples:
  $ bursar up
  $ BURSAR_PORT=9090 BURSAR_HOME=/srv/bursar bursar up
  $ DATABASE_URL=postgres://bursar@db.example.org/bursar TEMPORAL_ADDRESS=temporal.example.org:7233 bursar up
`,
    )
    .action(act(runUp));
}

export async function runUp(session: Session): Promise<void> {
  const config = settings(session);
  const running = findRunningStack(config.home);
  if (running) {
    if (!running.addresses) {
      throw new Stop(EXIT.failure, `Bursar is just starting in ${running.home} (process ${running.supervisor.pid}).`);
    }
    if (session.json)
      session.line(JSON.stringify({ running: true, home: running.home, ...visible(running.addresses) }, null, 2));
    else {
      session.line(`Bursar ${running.version} runs already, in ${running.home} (process ${running.supervisor.pid}):`);
      session.fields(listAddresses(running.addresses));
    }
    return;
  }
  const say = (line: string) => (session.json ? session.io.err.write(`${line}\n`) : session.line(line));
  const stack = await startOrStop(session, say, {});
  if (session.json)
    session.line(JSON.stringify({ running: true, home: stack.home, ...visible(stack.addresses) }, null, 2));
  else {
    session.heading('Bursar is up');
    session.fields([...listAddresses(stack.addresses), ['Data', stack.home], ['Logs', stack.logFolder]]);
    session.line();
    session.line('Next, in another terminal:');
    const year = session.io.now().getFullYear();
    session.line(`  npx bursar account create lab --name Lab --budget 1000 --start ${year}-01-01 --end ${year}-12-31`);
    session.line();
    session.line('Ctrl-C stops it.');
  }
  await untilInterrupted(session.io.interrupted);
  say('Stopping ... (Ctrl-C again kills it)');
  await stack.stop();
  say('Stopped.');
}

/** The database's address carries its password, and this goes to a terminal or a file. */
const visible = (addresses: StackAddresses) =>
  Object.fromEntries(
    listAddresses(addresses).map(([label, address]) => [label.toLowerCase().replace(' ', '_'), address]),
  );
