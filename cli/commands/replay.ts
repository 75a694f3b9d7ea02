import { basename } from 'node:path';
import { Option, type Command } from 'commander';
import { Fault } from '../../domain/faults';
import { COLUMNS_HINT, readColumns, UnusableColumns } from '../../domain/sacct';
import { readTimeZone } from '../../domain/time';
import { differencesOf, replay, type History, type Proposal, type Replayed } from '../../ledger/replay';
import { withDatabase, databaseUrlOf, URL_OPTION, type Where } from '../own-database';
import { EXIT, Stop } from '../exit';
import { showProgress } from '../progress';
import { plural } from '../text';
import { deniedRow, renderDifferences, renderReplay } from '../replay/answer';
import { readProposal } from '../replay/proposal-file';
import { showReplay } from '../replay/show';
import { proposalOfLive, TEMPLATE } from '../replay/template';
import type { Act, Session } from '../session';
import { openLines } from './import/sacct-file';
import { ReportFile, requireReport } from './import/report-file';

interface Options extends Where {
  proposal?: string;
  against?: string;
  cluster?: string;
  timeZone?: string;
  columns?: string;
  every: 'day' | 'week' | 'month';
  overTime?: boolean;
  report?: string;
}

export function defineReplay(parent: Command, act: Act): void {
  const command = parent
    .command('replay')
    .argument('[log]', 'output of `sacct -P`, as it is or gzipped; - or nothing: standard input')
    .summary("A site's history against proposed budgets")
    .description(
      "Replay a site's history against proposed budgets, rates and policies: which jobs would have been denied, when and why, and what would have been left. By the ledger's own rules, in a database of its own on the same server, which is dropped at the end; the live books are neither read nor changed. A denied job does not run and costs nothing.",
    )
    .option('--proposal <file>', 'budgets, rates and policies, YAML or JSON; `bursar replay template` writes one')
    .option('--against <file>', 'another proposal, to be compared with the first')
    .option('--cluster <name>', 'cluster of rows that name none (default: the only one of the proposal)')
    .option('--time-zone <zone>', "IANA zone of the log's clock (default: that of the proposal's clusters)")
    .option('--columns <names>', 'columns of a log without a header, in order (default: the 26 of XDMoD)')
    .addOption(
      new Option('--every <part>', 'how often what is left is written down')
        .choices(['day', 'week', 'month'])
        .default('day'),
    )
    .option('--over-time', 'show what was left over time instead of the sums')
    .option('--report <file>', 'every denied job with its sentence, as .csv or .json')
    .option(...URL_OPTION)
    .addHelpText(
      'after',
      `
Examples:
  $ bursar replay template > budgets.yaml
  $ bursar replay template --from-live > budgets.yaml
  $ sacct -aXDP --starttime 2026-01-01 --format JobID,Cluster,Partition,Account,User,Submit,Start,End,Elapsed,State,ExitCode,\\
      NNodes,ReqTRES,AllocTRES,Timelimit,NodeList,JobName | bursar replay --proposal budgets.yaml
  $ bursar replay --proposal budgets.yaml --against tighter.yaml --report denied.csv year.log
  $ bursar replay --proposal budgets.yaml --over-time --every month --csv year.log

Ends with 0 however many jobs would have been denied.
`,
    )
    .action(act(runReplay));
  command
    .command('template')
    .summary('Write a proposal to begin with')
    .description(
      'Write a proposal to begin with: with a comment for everything that it may say, or the present books as they are.',
    )
    .option(
      '--from-live',
      'the accounts, limits, clusters and rates of the server, with all that each account was given',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar replay template > budgets.yaml\n  $ bursar replay template --from-live > budgets.yaml\n',
    )
    .action(
      act(async (session: Session, options: { fromLive?: boolean }) => {
        session.io.out.write(options.fromLive ? await proposalOfLive(session.client) : TEMPLATE);
      }),
    );
}

/** Without these nobody is asked to pay, or nothing ran. */
const NEEDED = ['Account', 'Partition', 'Start', 'End'];

async function runReplay(session: Session, file: string | undefined, options: Options): Promise<void> {
  if (options.report !== undefined) requireReport(options.report);
  if (options.proposal === undefined) {
    throw new Stop(EXIT.usage, 'No proposal is named.', {
      hints: ['Give one with --proposal; `bursar replay template > budgets.yaml` writes one to begin with.'],
    });
  }
  const files = [options.proposal, ...(options.against === undefined ? [] : [options.against])];
  const proposals = files.map(readProposal);
  const log = {
    cluster: options.cluster ?? onlyClusterOf(proposals),
    timeZone: zoneOf(options, proposals),
    needs: NEEDED,
    ...(options.columns === undefined ? {} : { columns: readColumns(options.columns) }),
  };
  const lines = await linesOf(file);
  const progress = showProgress(session.io);
  const url = databaseUrlOf(session, options);
  await withDatabase(session, { ...options, databaseUrl: url }, async () => {
    try {
      await replay(
        proposals,
        lines,
        { url, log, every: options.every, onProgress: progress.tell, signal: session.io.interrupted },
        async (history, replayed) => {
          progress.end();
          await answer(session, options, namesOf(files), history, replayed);
        },
      );
    } catch (error) {
      if (session.io.interrupted.aborted) throw new Stop(EXIT.interrupted, 'Stopped; nothing is left of it.');
      if (!(error instanceof Fault) || error.code === 'ledger_unavailable') throw error;
      const hints = error instanceof UnusableColumns ? [COLUMNS_HINT] : [];
      throw new Stop(EXIT.usage, error.message, { hints, problem: { code: error.code } });
    } finally {
      progress.end();
    }
  });
}

/** What each is called in the answer: as short as tells them apart. */
function namesOf(files: readonly string[]): string[] {
  const short = files.map((file) => basename(file));
  const tellApart = (names: readonly string[]) => new Set(names).size === names.length;
  if (tellApart(short)) return short;
  return tellApart(files) ? [...files] : short.map((name, index) => `${name} (${index + 1})`);
}

function onlyClusterOf(proposals: readonly Proposal[]): string {
  const [only, ...others] = new Set(proposals.flatMap(({ clusters }) => clusters.map(({ name }) => name)));
  // Rows that name none are then of a cluster that no proposal has, and are told so.
  return only !== undefined && others.length === 0 ? only : '(none)';
}

function zoneOf(options: Options, proposals: readonly Proposal[]): string {
  if (options.timeZone !== undefined) {
    try {
      return readTimeZone(options.timeZone);
    } catch (error) {
      throw new Stop(EXIT.usage, `--time-zone: ${error instanceof Error ? error.message : String(error)}.`);
    }
  }
  const [zone, ...others] = new Set(
    proposals.flatMap(({ clusters }) => clusters.map(({ settings }) => settings.timeZone)),
  );
  if (zone !== undefined && others.length === 0) return zone;
  throw new Stop(
    EXIT.usage,
    'The clusters of the proposal are in several zones; name that of the log with --time-zone.',
  );
}

function linesOf(file: string | undefined): Promise<AsyncIterable<string>> {
  if (file === undefined && process.stdin.isTTY) {
    throw new Stop(EXIT.usage, 'No log is named.', {
      hints: ['Name a file, or pipe the output of `sacct -P` into it.'],
    });
  }
  return openLines(file ?? '-');
}

async function answer(
  session: Session,
  options: Options,
  names: readonly string[],
  history: History,
  replayed: readonly Replayed[],
): Promise<void> {
  if (history.jobs === 0) {
    throw new Stop(EXIT.usage, 'The log has no job that could be replayed.', {
      hints: [...history.faults.listed.slice(0, 3), COLUMNS_HINT],
    });
  }
  const [first, second] = replayed;
  if (!first) throw new Error('nothing was replayed');
  const differences = second && (await renderDifferences(differencesOf(first, second)));
  if (options.report !== undefined) await writeReport(options.report, names, history, replayed);
  const body = renderReplay(
    history,
    names,
    replayed.map(({ outcome }) => outcome),
    differences,
  );
  showReplay(session, body, { overTime: options.overTime ?? false, zone: history.zone });
  const { inAll, listed } = history.faults;
  if (inAll > 0) session.note(`${plural(inAll, 'row')} could not be read and ${inAll === 1 ? 'is' : 'are'} left out:`);
  for (const fault of listed.slice(0, 5)) session.note(`  ${fault}`);
  if (inAll > 5) session.note(`  and ${inAll - 5} more`);
}

async function writeReport(
  path: string,
  names: readonly string[],
  history: History,
  replayed: readonly Replayed[],
): Promise<void> {
  const file = new ReportFile(path, { from: history.from, to: history.to, jobs: history.jobs }, 'denied');
  try {
    for (const [index, { denied }] of replayed.entries()) {
      for await (const job of denied()) file.add(deniedRow(names[index] ?? '', job));
    }
  } finally {
    file.end();
  }
}
