import { Option, type Command } from 'commander';
import { ACCOUNT_NAME_RULE } from '../../../domain/account-name';
import { hoursOf } from '../../../domain/usage-report';
import { fraction } from '../../../domain/rational';
import { Fault } from '../../../domain/faults';
import { parseAmount, renderAmount, UNIT, UNIT_EXPECTED, ZERO, type Micro } from '../../../domain/money';
import { COLUMNS_HINT, readColumns, UnusableColumns } from '../../../domain/sacct';
import { readCivilDate } from '../../../domain/time';
import type { NewAccounts, Progress, SacctFinding, SacctResult, SacctSettings } from '../../../ledger/contract/imports';
import { readCluster } from '../../../ledger/imports/cluster';
import { importSacct } from '../../../ledger/imports/sacct';
import type { Sql } from '../../../platform/postgres';
import { readAgo, readTime } from '../../dates';
import { EXIT, Stop } from '../../exit';
import { clock, moneyIn } from '../../format';
import { URL_OPTION, type Where } from '../../own-database';
import { showProgress, type Step } from '../../progress';
import type { Act, Session } from '../../session';
import { plural } from '../../text';
import { readAccountMap } from './account-map';
import { clusterOf } from './cluster';
import { ReportFile, requireReport } from './report-file';
import { openLog, type OpenedLog } from './sacct-file';
import { openLive } from './sacct-live';
import { withLedger } from './with-ledger';

interface Options extends Where {
  apply?: boolean;
  charge?: boolean;
  cluster?: string;
  logCluster?: string;
  columns?: string;
  accountMap?: string;
  newAccounts: 'leave' | 'create';
  unit: string;
  start?: string;
  end?: string;
  budget?: string;
  report?: string;
  live?: boolean;
  since?: string;
  until?: string;
  chunkHours: string;
  sacct: string;
}

/** On a screen; --json and --report have all of them. */
const ROWS_SHOWN = 20;

const EXAMPLES = `
Examples:
  $ sacct -a -X -D -P -S 2024-01-01 -o JobID,Cluster,Partition,Account,User,Submit,Start,End,Elapsed,Suspended,State,NNodes,NCPUS,ReqTRES,AllocTRES,NodeList > 2024.log
  $ bursar import sacct 2024.log --cluster eagle --report 2024.csv
  $ bursar import sacct 2024.log --cluster eagle --apply
  $ bursar import sacct jobs.json.gz --cluster eagle --new-accounts create --start 2024-01-01 --end 2026-12-31 --apply
  $ zcat *.log.gz | bursar import sacct - --cluster eagle --account-map names.csv
  $ bursar import sacct --live --since 2024-01-01 --cluster eagle --apply
  $ bursar import sacct --live --since 7d --charge
`;

export function defineImportSacct(parent: Command, act: Act): void {
  parent
    .command('sacct')
    .argument('[log]', 'what sacct -P or sacct --json wrote, as it is or gzipped; - is standard input')
    .summary("Bring in the runs of Slurm's accounting")
    .description(
      "Bring in the runs of Slurm's accounting: who used what, and when. Usage reports count them from then on; money moves only with --charge. Without --apply nothing is changed. What was imported before, or is charged by Bursar itself, is not counted twice; if this is interrupted, run it again.",
    )
    .option('--apply', 'keep the runs')
    .option('--charge', 'also charge the runs that nobody has charged, at the rates of the time at which they ran')
    .option('--cluster <name>', 'the cluster that the jobs ran on (default: that of the configuration)')
    .option('--log-cluster <name>', 'what the log calls it, if otherwise; rows of other clusters are left out')
    .option('--columns <list>', 'columns in order, for a log without a heading, like JobID,User,Account,…')
    .option('--account-map <file>', "CSV: the log's account, Bursar's account; an empty one leaves its runs out")
    .addOption(
      new Option('--new-accounts <policy>', 'what becomes of accounts that Bursar does not have')
        .choices(['leave', 'create'])
        .default('leave', 'leave: their runs are left out'),
    )
    .option('--unit <unit>', 'unit of accounts that are created', 'USD')
    .option('--start <day>', 'start of accounts that are created')
    .option('--end <day>', 'end of accounts that are created; the day is included')
    .option('--budget <amount>', 'what each account that is created is given (default: nothing)')
    .option('--live', 'ask sacct on this machine, in place of a log')
    .option('--since <time>', "with --live: from when on; a day or a time of the cluster's, or 7d")
    .option('--until <time>', 'with --live: until when (default: now)')
    .option('--chunk-hours <hours>', 'with --live: how much time sacct is asked for at once', '24')
    .option('--sacct <program>', 'with --live: the program', 'sacct')
    .option('--report <file>', 'write what cannot be read, priced or placed to FILE.json or FILE.csv')
    .option(...URL_OPTION)
    .addHelpText('after', EXAMPLES)
    .action(
      act(async (session, log: string | undefined, options: Options) => {
        requireSense(log, options);
        return withLedger(session, options, (sql) => run(session, sql, log, options));
      }),
    );
}

/** All that is wrong with the options, at once. */
function requireSense(log: string | undefined, options: Options): void {
  const mistakes = [
    log === undefined && !options.live ? 'Name a log, - for standard input, or --live.' : undefined,
    log !== undefined && options.live ? '--live takes the place of a log; give one of them.' : undefined,
    options.live && options.since === undefined ? '--live needs --since: from when on?' : undefined,
    !options.live && (options.since !== undefined || options.until !== undefined)
      ? '--since and --until are for --live; a log is taken whole.'
      : undefined,
    /^[1-9]\d{0,4}$/.test(options.chunkHours) ? undefined : '--chunk-hours takes a whole number of hours, like 24.',
    UNIT.test(options.unit) ? undefined : `--unit "${options.unit}" is none: it ${UNIT_EXPECTED}.`,
    options.newAccounts === 'create' && (options.start === undefined || options.end === undefined)
      ? '--new-accounts create needs --start and --end: from when and until when are they open?'
      : undefined,
    options.newAccounts === 'leave' && options.budget !== undefined
      ? '--budget is for accounts that are created: --new-accounts create.'
      : undefined,
  ].filter((mistake) => mistake !== undefined);
  if (options.report !== undefined) requireReport(options.report);
  const [first, ...hints] = mistakes;
  if (first !== undefined) throw new Stop(EXIT.usage, first, { hints });
}

async function run(session: Session, sql: Sql, path: string | undefined, options: Options): Promise<void> {
  const { name: cluster, fresh } = clusterOf(session, sql, options.cluster);
  const wanted = settingsOf(cluster, options);
  const log =
    path === undefined
      ? live(session, options, (await readCluster(sql, cluster, fresh)).timeZone)
      : await openLog(path);
  if (options.apply) await fresh?.make();
  const report = options.report === undefined ? undefined : new ReportFile(options.report, { log: log.name });
  const progress = showProgress(session.io);
  const unreadable: string[] = [];
  try {
    const columns = log.columns ?? (options.columns === undefined ? undefined : readColumns(options.columns));
    const result = await importSacct(sql, { ...log, ...(columns && { columns }) }, wanted, {
      progress: withPace(progress.tell, () => session.io.now().getTime()),
      finding: (finding) => {
        report?.add(findingBody(finding));
        if (finding.kind === 'unreadable' && unreadable.length < 3) unreadable.push(finding.detail);
      },
    });
    progress.end();
    if (result.rows > 0 && result.unreadable === result.rows) {
      const what = `${log.name} has ${plural(result.rows, 'row')}, of which none can be read.`;
      throw new Stop(EXIT.usage, what, { hints: [...unreadable, COLUMNS_HINT] });
    }
    answer(session, log.name, wanted, result, options.report);
  } catch (error) {
    if (!(error instanceof UnusableColumns)) throw error;
    throw new Stop(EXIT.usage, `${log.name}, ${error.message}.`, {
      hints: [COLUMNS_HINT],
      problem: { code: error.code },
    });
  } finally {
    progress.end();
    report?.end();
  }
}

function settingsOf(cluster: string, options: Options): SacctSettings {
  return {
    cluster,
    logCluster: options.logCluster ?? cluster,
    accountMap: options.accountMap === undefined ? new Map() : readAccountMap(options.accountMap),
    newAccounts: newAccountsOf(options),
    charge: options.charge ?? false,
    apply: options.apply ?? false,
  };
}

function newAccountsOf({ newAccounts, unit, start = '', end = '', budget }: Options): NewAccounts {
  if (newAccounts === 'leave') return { policy: 'leave' };
  const amount = budget === undefined ? ZERO : named('--budget', () => parseAmount(budget));
  if (amount < 0n) throw new Stop(EXIT.usage, '--budget is below zero.');
  const window = { start: named('--start', () => readCivilDate(start)), end: named('--end', () => readCivilDate(end)) };
  if (window.end < window.start) throw new Stop(EXIT.usage, '--end lies before --start.');
  return { policy: 'create', unit, ...window, budget: amount };
}

function named<T>(option: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof Fault) throw new Stop(EXIT.usage, `${option}: ${error.message}.`);
    throw error;
  }
}

/** Its days and times are those of the cluster; sacct is asked in UTC. */
function live(session: Session, options: Options, timeZone: string): OpenedLog {
  const now = session.io.now();
  const timeOf = (option: string, text: string, edge: 'first' | 'last') =>
    Date.parse(/^\d+[hdw]$/.test(text) ? readAgo(option, text, now) : readTime(option, text, timeZone, edge));
  const since = timeOf('--since', options.since ?? '', 'first');
  const until = options.until === undefined ? now.getTime() : timeOf('--until', options.until, 'last');
  if (until <= since) throw new Stop(EXIT.usage, '--until lies before --since.');
  return openLive({
    sacct: options.sacct,
    since,
    until,
    stretchMs: Number(options.chunkHours) * 3_600_000,
    env: session.io.env,
    ...(options.logCluster !== undefined && { cluster: options.logCluster }),
  });
}

/** How fast it goes, and how long still. */
function withPace(tell: (step: Step) => void, now: () => number): (progress: Progress) => void {
  const begun = now();
  return ({ part, ...step }) => {
    const seconds = Math.max(0.1, (now() - begun) / 1000);
    const rate = `${Math.round(step.done / seconds).toLocaleString('en')} rows a second`;
    const left = part === undefined || part <= 0 ? undefined : (seconds / part) * (1 - part);
    const isEarly = left === undefined || seconds < 2;
    const words = isEarly ? '' : left < 90 ? `, ${Math.ceil(left)} s left` : `, ${Math.ceil(left / 60)} min left`;
    tell({ ...step, note: `${rate}${words}` });
  };
}

// What it says ------------------------------------------------------------------------------------------------------------

const hours = (seconds: number): string => hoursOf(fraction(BigInt(Math.round(seconds))));
const some = (count: number | undefined, words: string): string | undefined =>
  count ? `${count}, ${words}` : undefined;

function answer(
  session: Session,
  name: string,
  wanted: SacctSettings,
  result: SacctResult,
  report: string | undefined,
): void {
  session.answer(bodyOf(name, wanted, result), () => {
    const { noRuns, late } = result;
    const kept = plural(result.fresh, 'run');
    session.line(
      wanted.apply
        ? session.paint('green', `Imported: ${kept}${late ? `, ${late.runs} charged` : ''}.`)
        : session.paint('bold', `What would be imported: ${kept}${late ? `, ${late.runs} charged` : ''}`),
    );
    const zone = result.timeZone;
    const time = (at: string | undefined) => at && `${clock(at, zone)}`;
    session.fields([
      ['From', name],
      ['Cluster', `${result.cluster} (${zone})`],
      ['Rows', `${result.rows}${result.rowsPassedOver > 0 ? `, of them ${result.rowsPassedOver} done before` : ''}`],
      ['Runs', `${result.runs}, of ${plural(result.users, 'user')}`],
      ['Repeated', some(result.repeats, 'rows of runs that the log has named before')],
      ['Imported before', result.runs > result.fresh ? String(result.runs - result.fresh) : undefined],
      ['With a charge', some(result.charged, 'which is what reports count')],
      ['Time', result.firstStart && `${time(result.firstStart)} to ${time(result.lastEnd)}`],
      ['CPU-hours', hours(result.cpuSeconds)],
      ['GPU-hours', hours(result.gpuSeconds)],
      ['Node-hours', hours(result.nodeSeconds)],
      ['Never ran', some(noRuns.never_ran, 'ended without ever getting a node')],
      ['Still running', some(noRuns.running, 'left out until their end is known; import them again then')],
      ['Waiting', some(noRuns.waiting, 'left out')],
      ['Steps', some(noRuns.step, 'parts of runs')],
      ['Revoked', some(noRuns.revoked, 'ran on another cluster of the federation')],
      ['Other clusters', some(noRuns.other_cluster, `left out: ${result.otherClusters.slice(0, 5).join(', ')}`)],
      ['Left out', some(result.leftOut, 'as the account map says')],
      [
        'Times in doubt',
        some(result.uncertainTimes, 'with a time that the clocks showed twice, or never; --report lists them'),
      ],
      ['Unreadable', some(result.unreadable, 'left out; --report lists them')],
      ['Without a price', some(result.unpriced, 'kept, but not charged')],
      ['Left to their holds', late && some(late.followed, 'not charged here: Bursar follows their job')],
      ['Exempt', late && some(late.exempt, 'the cluster does not charge such jobs')],
      ...(late?.totals ?? []).map(
        ({ unit, amount }) =>
          [wanted.apply ? 'Charged' : 'To be charged', moneyIn(renderAmount(amount), unit)] as const,
      ),
      ...(late?.refunds.totals ?? []).map(
        ({ unit, amount }) =>
          [
            wanted.apply ? 'Given back' : 'To be given back',
            `${moneyIn(renderAmount(amount), unit)}, to ${plural(late?.refunds.runs ?? 0, 'run')} for how they ended`,
          ] as const,
      ),
    ]);
    const { newAccounts, unknownAccounts, gaps } = result;
    if (newAccounts.length > 0) {
      const words = wanted.apply ? 'Accounts made' : 'Accounts that would be made';
      session.heading(`${words}: ${newAccounts.length}`);
      session.say(listed(newAccounts));
    }
    if (unknownAccounts.length > 0) {
      session.heading('Accounts that Bursar does not have; their runs are left out');
      session.table(unknownAccounts.slice(0, ROWS_SHOWN), [
        { title: 'ACCOUNT', value: ({ account }) => account || '(none)', shrinksTo: 12 },
        { title: 'RUNS', value: ({ runs }) => String(runs), align: 'right' },
      ]);
      if (unknownAccounts.length > ROWS_SHOWN) session.say(`… and ${unknownAccounts.length - ROWS_SHOWN} more.`);
      session.say(
        wanted.newAccounts.policy === 'leave'
          ? '--account-map says which they are, --new-accounts create makes them.'
          : `No account can have such a name (${ACCOUNT_NAME_RULE}); --account-map says what they are called in Bursar.`,
      );
    }
    if (gaps.length > 0) {
      session.heading('Without a price');
      session.table(gaps.slice(0, ROWS_SHOWN), [
        { title: 'RUNS', value: ({ runs }) => String(runs), align: 'right' },
        { title: 'WHY', value: ({ detail }) => detail, shrinksTo: 20 },
      ]);
    }
    session.line();
    if (noRuns.other_cluster && result.runs === 0) {
      session.say(`Every row is of another cluster; --log-cluster ${result.otherClusters[0] ?? ''} takes them.`);
    }
    session.say(
      wanted.apply
        ? `See them: \`bursar usage summary --cluster ${result.cluster} --group-by month\`.`
        : `Nothing was changed. ${report === undefined ? '--report FILE.csv lists what cannot be read, priced or placed; ' : ''}--apply keeps the runs.`,
    );
  });
}

const listed = (names: readonly string[]): string =>
  names.length > ROWS_SHOWN
    ? `${names.slice(0, ROWS_SHOWN).join(', ')} … and ${names.length - ROWS_SHOWN} more; --json has all of them.`
    : `${names.join(', ')}.`;

const amountsOf = (totals: readonly { unit: string; amount: Micro }[]) =>
  totals.map(({ unit, amount }) => ({ unit, amount: renderAmount(amount) }));

const bodyOf = (name: string, wanted: SacctSettings, result: SacctResult) => ({
  log: name,
  cluster: result.cluster,
  time_zone: result.timeZone,
  applied: wanted.apply,
  rows: result.rows,
  rows_done_before: result.rowsPassedOver,
  runs: result.runs,
  repeated_rows: result.repeats,
  new_runs: result.fresh,
  runs_with_a_charge: result.charged,
  users: result.users,
  first_start: result.firstStart,
  last_end: result.lastEnd,
  cpu_hours: hours(result.cpuSeconds),
  gpu_hours: hours(result.gpuSeconds),
  node_hours: hours(result.nodeSeconds),
  no_runs: result.noRuns,
  unreadable: result.unreadable,
  unpriced: result.unpriced,
  left_out: result.leftOut,
  times_in_doubt: result.uncertainTimes,
  other_clusters: result.otherClusters,
  new_accounts: result.newAccounts,
  unknown_accounts: result.unknownAccounts,
  without_a_price: result.gaps,
  ...(result.late && {
    late_charges: {
      runs: result.late.runs,
      left_to_their_holds: result.late.followed,
      exempt: result.late.exempt,
      totals: amountsOf(result.late.totals),
      refunds: { runs: result.late.refunds.runs, totals: amountsOf(result.late.refunds.totals) },
    },
  }),
});

const findingBody = ({ kind, line, jobId, account, detail }: SacctFinding) => ({
  kind,
  line: String(line),
  job_id: jobId,
  account,
  detail,
});
