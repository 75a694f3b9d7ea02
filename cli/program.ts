/** The command tree: global options, lazily read groups, errors as sentences, exit codes. */
import { Command, CommanderError, Option } from 'commander';
import { codeOf } from '../domain/code-of';
import { buildFacts } from '../platform/build-facts';
import { EXIT, EXIT_CODES_HELP, Stop, type ExitCode } from './exit';
import type { Io } from './io';
import { actWith, mayColor, type Act, type CommandGroup, type ProgramName } from './session';
import { painter, wrap } from './text';

/**
 * Every group of commands. A module is read when its command is called, or when something needs the whole tree
 * (completion), so that `bursar version` stays about as fast as Node itself. (`import()` would ask for ES modules.)
 */
export const GROUPS: readonly CommandGroup[] = [
  group(
    'up',
    'Run Bursar here: PostgreSQL, Temporal, worker and API',
    () => (require('./commands/up') as typeof import('./commands/up')).defineUp,
  ),
  group(
    'demo',
    'Replay a Slurm accounting log and watch the money move',
    () => (require('./commands/demo') as typeof import('./commands/demo')).defineDemo,
  ),
  group(
    'replay',
    "A site's history against proposed budgets",
    () => (require('./commands/replay') as typeof import('./commands/replay')).defineReplay,
  ),
  group(
    'status',
    'Is the server there, and are its parts well?',
    () => (require('./commands/status') as typeof import('./commands/status')).defineStatus,
  ),
  group(
    'service',
    'The server itself: start it, look at its parts',
    () => (require('./commands/service') as typeof import('./commands/service')).defineService,
  ),
  group(
    'account',
    'Accounts: money, windows, limits, policy',
    () => (require('./commands/account') as typeof import('./commands/account')).defineAccount,
  ),
  group(
    'deposit',
    'Put money into an account',
    () => (require('./commands/movements') as typeof import('./commands/movements')).defineDeposit,
  ),
  group(
    'withdraw',
    'Take free money out of an account',
    () => (require('./commands/movements') as typeof import('./commands/movements')).defineWithdraw,
  ),
  group(
    'transfer',
    'Move free money between accounts',
    () => (require('./commands/movements') as typeof import('./commands/movements')).defineTransfer,
  ),
  group(
    'refund',
    'Give back part of a charge',
    () => (require('./commands/movements') as typeof import('./commands/movements')).defineRefund,
  ),
  group(
    'refunds',
    'What was given back, and why',
    () => (require('./commands/refunds') as typeof import('./commands/refunds')).defineRefunds,
  ),
  group(
    'adjust',
    'Change a charge, visibly',
    () => (require('./commands/movements') as typeof import('./commands/movements')).defineAdjust,
  ),
  group(
    'check',
    'Would this job be allowed, and what would it cost?',
    () => (require('./commands/check') as typeof import('./commands/check')).defineCheck,
  ),
  group(
    'quick-check',
    'May a job of this size start, in one line?',
    () => (require('./commands/quick-check') as typeof import('./commands/quick-check')).defineQuickCheck,
  ),
  group(
    'remaining',
    'What an account has left, and nothing else',
    () => (require('./commands/quick-check') as typeof import('./commands/quick-check')).defineRemaining,
  ),
  group(
    'hold',
    'Money set aside for jobs',
    () => (require('./commands/hold') as typeof import('./commands/hold')).defineHold,
  ),
  group(
    'job',
    'Jobs and their stories',
    () => (require('./commands/job') as typeof import('./commands/job')).defineJob,
  ),
  group(
    'job-context',
    'The money and the time that a job has left',
    () => (require('./commands/job-context') as typeof import('./commands/job-context')).defineJobContext,
  ),
  group(
    'reconcile',
    "Report a job's real cost",
    () => (require('./commands/reconcile') as typeof import('./commands/reconcile')).defineReconcile,
  ),
  group(
    'asbx',
    'Reports of ASBX: watch its spool, import files',
    () => (require('./commands/asbx') as typeof import('./commands/asbx')).defineAsbx,
  ),
  group(
    'shadow',
    'What would have been denied on clusters that are only watched',
    () => (require('./commands/shadow') as typeof import('./commands/shadow')).defineShadow,
  ),
  group(
    'unmatched',
    'Reports of ended jobs that no hold is known for',
    () => (require('./commands/unmatched') as typeof import('./commands/unmatched')).defineUnmatched,
  ),
  group(
    'transactions',
    'What moved, when and why',
    () => (require('./commands/transactions') as typeof import('./commands/transactions')).defineTransactions,
  ),
  group(
    'usage',
    'What was used: money, hours, jobs',
    () => (require('./commands/usage') as typeof import('./commands/usage')).defineUsage,
  ),
  group(
    'forecast',
    "Where an account's money is going",
    () => (require('./commands/forecast') as typeof import('./commands/forecast')).defineForecast,
  ),
  group(
    'cluster',
    'Clusters and their partitions',
    () => (require('./commands/cluster') as typeof import('./commands/cluster')).defineCluster,
  ),
  group(
    'rates',
    'Prices of nodes, CPUs, memory and GPUs',
    () => (require('./commands/rates') as typeof import('./commands/rates')).defineRates,
  ),
  group(
    'slurm',
    'The hooks inside Slurm: install, check, remove',
    () => (require('./commands/slurm') as typeof import('./commands/slurm')).defineSlurm,
  ),
  group(
    'recover',
    'Find holds whose story was lost, and tell it again',
    () => (require('./commands/recover') as typeof import('./commands/recover')).defineRecover,
  ),
  group(
    'audit',
    'Prove the books',
    () => (require('./commands/audit') as typeof import('./commands/audit')).defineAudit,
  ),
  group('key', 'API keys: who may ask', () => (require('./commands/key') as typeof import('./commands/key')).defineKey),
  group(
    'changes',
    'Who changed what, and when',
    () => (require('./commands/changes') as typeof import('./commands/changes')).defineChanges,
  ),
  group(
    'database',
    'Bring a PostgreSQL of yours to the schema of this version',
    () => (require('./commands/database') as typeof import('./commands/database')).defineDatabase,
  ),
  group(
    'import',
    'Bring the books of ASBB, or a list of accounts, into Bursar',
    () => (require('./commands/import') as typeof import('./commands/import')).defineImport,
  ),
  group(
    'export',
    'Write everything that Bursar knows into open files',
    () => (require('./commands/export') as typeof import('./commands/export')).defineExport,
  ),
  group(
    'config',
    'The configuration of a server: write, check, explain',
    () => (require('./commands/config') as typeof import('./commands/config')).defineConfig,
  ),
  group(
    'ecosystem',
    'The neighbours: advisor, ASBX, ASBA',
    () => (require('./commands/ecosystem') as typeof import('./commands/ecosystem')).defineEcosystem,
  ),
  group(
    'version',
    'Print the version',
    () => (require('./commands/version') as typeof import('./commands/version')).defineVersion,
  ),
  group(
    'completion',
    'Print a completion script for bash, zsh or fish',
    () => (require('./commands/completion') as typeof import('./commands/completion')).defineCompletion,
  ),
];

function group(name: string, summary: string, define: CommandGroup['define']): CommandGroup {
  return { name, summary, define };
}

const EXAMPLES = `
Examples:
  $ bursar up                                     run everything here
  $ bursar account create climate --name "Climate ML" --budget 1000 --start 2026-01-01 --end 2026-12-31
  $ bursar check --account climate --partition gpu --nodes 2 --cpus 16 --gpus 4 --time 04:00:00
  $ bursar account balance climate
  $ bursar job show mycluster/88123               one job's whole story

The server is that of --endpoint, else BURSAR_URL, else BURSAR_PORT on this machine, else the one that was last run in
BURSAR_HOME, else http://127.0.0.1:8080.
An https server is believed if --ca-file, else what Node trusts (NODE_EXTRA_CA_CERTS adds to it) vouches for it.
Amounts are decimal numbers in the account's unit, like 1250.50, with at most six decimals.

${EXIT_CODES_HELP}`;

/** The program with the groups that are needed; the others are there by name only. */
export function buildProgram(name: ProgramName, io: Io, needed: (group: string) => boolean): Command {
  const program = new Command(name);
  const act: Act = actWith(io, name);
  const { version, gitCommit } = buildFacts();
  program
    .description('Bursar: the budget and allocation engine for shared compute.')
    .usage('[options] <command>')
    .option('--endpoint <url>', 'address of the Bursar server (BURSAR_URL)')
    .option(
      '-c, --config <file>',
      'configuration file of the server, for up, demo, service, database, config (BURSAR_CONFIG)',
    )
    .option('--token-file <file>', 'file with the API key (BURSAR_TOKEN)')
    .option('--ca-file <file>', 'certificates, in PEM, of who may vouch for an https server (BURSAR_CA_FILE)')
    .option('--json', 'print the answer of the API instead of a table')
    .addOption(new Option('--csv', 'print records as CSV, by the names of their fields').conflicts('json'))
    .option('--no-color', 'no colours (NO_COLOR)')
    .option('--utc', 'show times in UTC, not in the zone of the account or cluster')
    .option('--timeout <seconds>', 'give up on the server after this long', '30')
    .option('-v, --verbose', 'say on stderr what is asked of the server, and how long it takes')
    .version(`${name} version bursar ${version} (${gitCommit})`, '--version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command]', 'show help of a command')
    .addHelpText('after', EXAMPLES)
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError(`Try \`${name} --help\`.`)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.out.write(name === 'asbb' ? text.replaceAll('$ bursar ', '$ asbb ') : text),
      writeErr: (text) => io.err.write(text),
      outputError: (text, write) => write(text),
      getOutHelpWidth: () => io.out.width() ?? 100,
      getErrHelpWidth: () => io.err.width() ?? 100,
      getOutHasColors: () => mayColor(io, { color: true }, 'out'),
      getErrHasColors: () => mayColor(io, { color: true }, 'err'),
    });

  for (const entry of GROUPS) {
    if (needed(entry.name)) {
      entry.define()(program, act);
      finish(
        program.commands.find((command) => command.name() === entry.name),
        name,
      );
    } else program.command(entry.name).summary(entry.summary).description(entry.summary);
  }
  return program;
}

/** Gives every command below what its parent says of errors and help. */
function finish(command: Command | undefined, name: string): void {
  if (!command) return;
  const full = (each: Command): string => (each.parent?.parent ? `${full(each.parent)} ${each.name()}` : each.name());
  command.showHelpAfterError(`Try \`${name} ${full(command)} --help\`.`);
  for (const below of command.commands) finish(below, name);
}

const TAKES_VALUE = new Set(['--endpoint', '--token-file', '--ca-file', '--timeout', '-c', '--config']);

/** The words that are neither options nor their values, `help` skipped. */
function wordsOf(args: readonly string[]): string[] {
  const words: string[] = [];
  for (let index = 0; index < args.length; index += 1) {
    const arg = args[index] as string;
    if (TAKES_VALUE.has(arg)) index += 1;
    else if (!arg.startsWith('-') && arg !== 'help') words.push(arg);
  }
  return words;
}

/**
 * Help for a command that there is not ends as the command would: programs ask that way what this one can do, and a page
 * with exit 0 would tell them that it can.
 */
function withoutFalseHelp(program: Command, args: readonly string[], words: readonly string[]): string[] {
  let command = program;
  for (const word of words) {
    if (command.commands.length === 0) break;
    const below = command.commands.find((each) => each.name() === word);
    if (!below) return args.filter((arg) => !['-h', '--help', 'help'].includes(arg));
    command = below;
  }
  return [...args];
}

/** Runs one command line (without `node` and the script) and says how it ended. Never throws, never exits. */
export async function runCli(name: ProgramName, args: readonly string[], io: Io): Promise<ExitCode> {
  const color = !args.includes('--no-color');
  try {
    const words = wordsOf(args);
    const [wanted] = words;
    const program = buildProgram(name, io, (entry) => entry === wanted || wanted === 'completion');
    if (args.length === 0) {
      program.outputHelp();
      return EXIT.ok;
    }
    await program.parseAsync(withoutFalseHelp(program, args, words), { from: 'user' });
    return EXIT.ok;
  } catch (error) {
    return tell(error, io, { color, json: args.includes('--json') });
  }
}

function tell(error: unknown, io: Io, taste: { color: boolean; json: boolean }): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (io.interrupted.aborted) return EXIT.interrupted;
  const stop = error instanceof Stop ? error : (forbidden(error) ?? unforeseen(error));
  const paint = painter(mayColor(io, taste, 'err'));
  const width = io.err.width();
  const fold = (text: string, indent: string) => (width === undefined ? indent + text : wrap(text, width, indent));
  if (taste.json && stop.problem !== undefined) io.err.write(`${JSON.stringify(stop.problem, null, 2)}\n`);
  else {
    if (stop.message !== '') io.err.write(`${paint('red', fold(stop.message, ''))}\n`);
    for (const hint of stop.hints) io.err.write(`${fold(hint, '  ')}\n`);
  }
  return stop.exitCode;
}

/** A file of somebody else's, most often of root's. */
function forbidden(error: unknown): Stop | undefined {
  const path: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, 'path') : undefined;
  if (!['EACCES', 'EPERM'].includes(codeOf(error)) || typeof path !== 'string') return undefined;
  return new Stop(EXIT.usage, `You may not use ${path}: permission denied.`, {
    hints: ['Run it as somebody who may: root, or whoever it belongs to.'],
  });
}

/** A mistake of ours. The person gets a sentence; whoever mends it sets BURSAR_LOG_LEVEL=debug. */
function unforeseen(error: unknown): Stop {
  const message = error instanceof Error ? error.message : String(error);
  return new Stop(EXIT.failure, `Something went wrong that should not have: ${message}`, {
    hints: ['Please report it, with what you typed.'],
  });
}
