import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { readTimeZone } from '../../domain/time';
import { readColumns } from '../../domain/sacct';
import { PACKAGE_ROOT } from '../../platform/paths';
import type { Client } from '../client';
import { showAddresses, showBooks, showOpen } from '../demo/books';
import { readLog, type Log } from '../demo/log';
import { makePlan } from '../demo/plan';
import { Replay, type ReplayOptions } from '../demo/replay';
import { Screen } from '../demo/screen';
import { setUp } from '../demo/setup';
import { openStack } from '../demo/open-stack';
import { Tally } from '../demo/tally';
import { Tell } from '../demo/tell';
import { Watch } from '../demo/watch';
import { EXIT, Stop } from '../exit';
import type { Act, Session } from '../session';
import { plural } from '../text';

const SHIPPED_LOG = join(PACKAGE_ROOT, 'examples', 'pinewood-march.log');

interface DemoOptions {
  log?: string;
  columns?: string;
  timeZone: string;
  jobs?: string;
  speed?: string;
  once?: boolean;
  allLines?: boolean;
}

export function defineDemo(parent: Command, act: Act): void {
  parent
    .command('demo')
    .summary('Replay a Slurm accounting log and watch the money move')
    .description(
      'Replay a Slurm accounting log through the public API, faster than real time: every job is asked for, held, run, settled or denied as the log has it. Starts Bursar if it does not run yet. Ends with the books, and in a terminal stays up until Ctrl-C.',
    )
    .option('--log <file>', 'output of `sacct -P` (default: a small log that comes with Bursar)')
    .option('--columns <names>', 'columns of a log without a header, in order (default: the 26 of XDMoD)')
    .option('--time-zone <zone>', "IANA zone of the log's clock", 'UTC')
    .option('--jobs <n>', 'only the first so many jobs')
    .option('--speed <factor>', 'seconds of the log in one second; max: as fast as it goes')
    .option('--once', 'end when the log has ended, also in a terminal')
    .option('--all-lines', 'a line for everything, however long the log is')
    .addHelpText(
      'after',
      `
Examples:
  $ bursar demo
  $ bursar demo --log week.log --time-zone America/Chicago
  $ bursar demo --log old.log --columns JobID,User,Account,Partition,Submit,Start,End,State,AllocTRES,Timelimit --speed 3600

A log of your own cluster, with what the demo reads of it:
  sacct -aXDP --starttime now-7days --format JobID,Cluster,Partition,Account,User,Submit,Start,End,State,ExitCode,\\
    NNodes,ReqTRES,AllocTRES,Timelimit,NodeList,JobName > week.log

Each demo uses clusters and accounts of its own (name, name-2, name-3), so it can be run again on the same data.
Ends with 0, or with 1 if the books do not balance.
`,
    )
    .action(act(runDemo));
}

async function runDemo(session: Session, options: DemoOptions): Promise<void> {
  const { io } = session;
  const log = await readTheLog(options);
  const screen = new Screen(io);
  const stack = await openStack(session);
  try {
    const client = session.connect(stack.url, { keepAlive: true, maxSockets: 24 });
    session.line(
      `${plural(log.jobs.length, 'job')} in ${plural(log.rows, 'row')} of ${options.log ?? 'the log that comes with Bursar'}, times in ${options.timeZone}.`,
    );
    for (const fault of log.faults.slice(0, 5)) session.note(fault);
    if (log.faults.length > 5) session.note(`and ${log.faults.length - 5} more rows that cannot be read`);
    const balanced = await replay(session, client, screen, log, options);
    if (io.interrupted.aborted) throw new Stop(EXIT.interrupted, 'Stopped.');
    await stack.stayUp(options.once ?? false);
    if (!balanced) throw new Stop(EXIT.failure, '');
  } finally {
    screen.close();
    await stack.close();
  }
}

async function readTheLog(options: DemoOptions): Promise<Log> {
  const file = options.log ?? SHIPPED_LOG;
  if (!existsSync(file)) throw new Stop(EXIT.usage, `There is no file ${file}.`);
  if (options.jobs !== undefined && !/^[1-9]\d{0,8}$/.test(options.jobs)) {
    throw new Stop(EXIT.usage, `--jobs takes a whole number above 0, not "${options.jobs}".`);
  }
  let log: Log;
  try {
    log = await readLog(file, {
      timeZone: readTimeZone(options.timeZone),
      columns: options.columns === undefined ? undefined : readColumns(options.columns),
      most: options.jobs === undefined ? undefined : Number(options.jobs),
      cluster: 'demo',
    });
  } catch (error) {
    throw new Stop(EXIT.usage, `${file}: ${error instanceof Error ? error.message : String(error)}.`);
  }
  if (log.jobs.length > 0) return log;
  throw new Stop(EXIT.usage, `${file} has no job that could be replayed.`, {
    hints: [
      ...log.faults.slice(0, 3),
      '`bursar demo --help` shows how to write one; --columns names the columns of a log without a header.',
    ],
  });
}

/** A small log takes about this long in a terminal, so that one can follow it. */
const WATCHABLE_MS = 30_000;
const WATCHABLE_JOBS = 200;
const SETTLES_WITHIN_MS = 90_000;
const STALLED_MS = 30_000;

async function replay(
  session: Session,
  client: Client,
  screen: Screen,
  log: Log,
  options: DemoOptions,
): Promise<boolean> {
  const { interrupted } = session.io;
  const plan = makePlan(log.jobs);
  const setup = await setUp(client, log.jobs, plan, options.timeZone, session.io.now());
  if (setup.run > 1) session.line(`Demo ${setup.run} on this data: clusters and accounts are called -${setup.run}.`);
  session.line(
    `Accounts: ${plan.accounts.map(({ name, budget, cap }) => `${setup.nameOf(name)} ${budget} USD${cap ? ` (${cap.partition} at most ${cap.limit})` : ''}`).join(', ')}.`,
  );

  const tally = new Tally(log.jobs);
  let watch: Watch | undefined;
  const tell = new Tell({
    screen,
    paint: session.paint,
    setup,
    tally,
    zone: options.timeZone,
    allLines: options.allLines ?? false,
    balances: () => watch?.balances ?? new Map(),
  });
  watch = new Watch({ client, setup, tally, interrupted, onClosed: (followed, hold) => tell.closed(followed, hold) });
  const pace = paceOf(session, log, options);
  screen.open(tell);
  const watching = watch.goOn();
  try {
    await new Replay({
      client,
      plan,
      setup,
      tally,
      watch,
      interrupted,
      ...pace,
      onDecision: (followed, decision) => tell.decided(followed, decision),
      onEvent: (followed, event) => tell.happened(followed, event),
    }).run();
    await watch.settled({ withinMs: SETTLES_WITHIN_MS, stalledMs: STALLED_MS });
  } finally {
    watch.stop();
    await watching;
    screen.close();
  }
  if (interrupted.aborted) return true;

  session.line();
  session.say(`${tell.counts().replaceAll('  ', ', ')}; ${Math.round(tell.seconds)} s.`);
  const balanced = await showBooks(session, client, setup);
  await showOpen(session, client, setup, tally);
  await showAddresses(session, client, setup, tally);
  return balanced;
}

/** How many occurrences go together, and how long to wait between them. */
function paceOf(
  session: Session,
  log: Log,
  { speed }: DemoOptions,
): Pick<ReplayOptions, 'batch' | 'pauseMs' | 'lateSubmissions'> {
  const asFastAsPossible = { batch: 64, pauseMs: () => 0, lateSubmissions: log.jobs.length > WATCHABLE_JOBS };
  if (speed === 'max') return asFastAsPossible;
  if (speed !== undefined) {
    if (!/^\d{1,9}(\.\d{1,6})?$/.test(speed) || Number(speed) === 0) {
      throw new Stop(EXIT.usage, `--speed takes a number above 0, or max, not "${speed}".`);
    }
    return { batch: 16, lateSubmissions: false, pauseMs: (gapMicros) => Number(gapMicros) / 1000 / Number(speed) };
  }
  if (log.jobs.length > WATCHABLE_JOBS) return asFastAsPossible;
  if (!session.io.out.isTerminal) return { batch: 8, lateSubmissions: false, pauseMs: () => 0 };
  const occurrences = log.jobs.reduce((sum, { events }) => sum + 1 + events.length, 0);
  const stepMs = Math.min(250, WATCHABLE_MS / occurrences);
  return { batch: 4, lateSubmissions: false, pauseMs: (gapMicros) => (gapMicros > 0n ? stepMs : 0) };
}
