/** usage show, usage summary: what was used, in money, hours and jobs. */
import { Option, type Command } from 'commander';
import { money, moneyIn } from '../format';
import { FIELDS } from '../fields';
import { rowsSkipped, withPages, type PageOptions } from '../paging';
import type { Act, Session } from '../session';
import type { Column } from '../table';
import { plural } from '../text';
import type { UsageReport } from '../wire';

type Row = NonNullable<UsageReport['breakdown']>[number];

const GROUPINGS = ['day', 'week', 'month', 'partition', 'user', 'cluster', 'account', 'project'];

interface UsageOptions extends PageOptions {
  groupBy?: string;
  from?: string;
  to?: string;
  last?: string;
  partition?: string;
  user?: string;
  cluster?: string;
  unit?: string;
  timeZone?: string;
}

/** `1,234.5678`: hours have as many decimals as they need, at most four. */
const hours = (value: number): string => String(value).replace(/\B(?=(\d{3})+(?!\d))(?<!\.\d*)/g, ',');

function columns({ unit }: UsageReport, rows: readonly Row[]): Column<Row>[] {
  return [
    { title: (rows[0]?.category ?? '').toUpperCase(), value: (row) => row.label, shrinksTo: 10 },
    { title: `SPENT (${unit})`, value: (row) => money(row.amount), align: 'point' },
    { title: 'SHARE', value: (row) => `${row.percentage} %`, align: 'right', optional: 2 },
    { title: 'JOBS', value: (row) => String(row.job_count), align: 'right' },
    { title: 'CPU-HOURS', value: (row) => hours(row.cpu_hours), align: 'point' },
    { title: 'GPU-HOURS', value: (row) => hours(row.gpu_hours), align: 'point', optional: 1 },
    { title: 'NODE-HOURS', value: (row) => hours(row.node_hours), align: 'point', optional: 3 },
    { title: 'GIB-HOURS', value: (row) => hours(row.memory_gib_hours), align: 'point', optional: 4 },
  ];
}

function showReport(session: Session, report: UsageReport): void {
  const { summary, breakdown, unit } = report;
  const whose = report.account ?? 'All accounts';
  session.line(session.paint('bold', `${whose}, ${unit}, ${report.period} (${report.time_zone})`));
  session.fields([
    ['Spent', moneyIn(summary.total_spent, unit)],
    ['Held now', moneyIn(summary.total_held, unit)],
    ['Jobs', `${summary.total_jobs}, ${moneyIn(summary.avg_cost_per_job, unit)} each on average`],
    ['Budget used', `${summary.budget_utilized} % of ${moneyIn(summary.budget_limit, unit)} so far`],
    ['CPU-hours', hours(summary.cpu_hours)],
    ['GPU-hours', hours(summary.gpu_hours)],
    ['Node-hours', hours(summary.node_hours)],
    ['GiB-hours', summary.memory_gib_hours === 0 ? undefined : `${hours(summary.memory_gib_hours)} of memory`],
    [
      'Without hours',
      summary.unmetered_jobs === 0
        ? undefined
        : `${plural(summary.unmetered_jobs, 'job')} of which nobody has said when, or with what`,
    ],
  ]);
  if (!breakdown) return;
  session.line();
  if (breakdown.length === 0) session.say('Nothing was used in this time.');
  else session.table(breakdown, columns(report, breakdown));
}

/** A report with as many rows as were asked for, and whether there are more. */
interface Shown {
  report: UsageReport;
  more: boolean;
}

async function readReport(
  session: Session,
  query: Readonly<Record<string, string | undefined>>,
  page: PageOptions,
): Promise<Shown> {
  const most = session.rowsWanted(page);
  const paged = { ...query, limit: Math.min(most ?? 1000, 1000) };
  const first = { ...paged, offset: rowsSkipped(page) };
  const report = await session.client.get<UsageReport>('/api/v1/usage', first);
  let cursor = report.next_cursor;
  while (cursor !== undefined && (most === undefined || (report.breakdown?.length ?? 0) < most)) {
    const next = await session.client.get<UsageReport>('/api/v1/usage', { ...paged, cursor });
    report.breakdown?.push(...(next.breakdown ?? []));
    cursor = next.next_cursor;
  }
  const beyond = most === undefined ? undefined : report.breakdown?.splice(most);
  return { report, more: cursor !== undefined || (beyond?.length ?? 0) > 0 };
}

/** All of one command; `body` is what --json prints. */
function answer(session: Session, body: unknown, shown: readonly Shown[], page: PageOptions): void {
  const rows = shown.flatMap(({ report }) => report.breakdown ?? []);
  const isGrouped = shown.some(({ report }) => report.breakdown);
  session.answer(
    body,
    () =>
      shown.forEach(({ report }, index) => {
        if (index > 0) session.line();
        showReport(session, report);
      }),
    isGrouped ? FIELDS.usageRow : FIELDS.usage,
    isGrouped ? rows : shown.map(({ report }) => report),
  );
  for (const { report, more } of shown) if (more) session.noteMore(rowsSkipped(page), report.breakdown?.length ?? 0);
}

const queryOf = (options: UsageOptions) => ({
  group_by: options.groupBy,
  start_date: options.from,
  end_date: options.to,
  last: options.last,
  partition: options.partition,
  user: options.user,
  cluster: options.cluster,
  unit: options.unit,
  time_zone: options.timeZone,
});

const withOptions = (command: Command): Command =>
  withPages(
    command
      .addOption(new Option('--group-by <what>', 'a row for each of these').choices(GROUPINGS))
      .option('--from <date>', 'first day (2026-03-01), or a time with its zone')
      .option('--to <date>', 'last day, included, or a time with its zone (default: today)')
      .addOption(
        new Option('--last <span>', 'the last 30d or 4w, today included, or 12h until now (default: 30d)').conflicts([
          'from',
          'to',
        ]),
      )
      .option('--partition <partition>', 'only in this partition')
      .option('--user <user>', 'only by this user')
      .option('--cluster <cluster>', 'only on this cluster')
      .option('--time-zone <zone>', "whose days (default: the cluster's; docs/usage.md)"),
  );

const NOTES = `
Money counts on the day of the use that it paid for, refunds and adjustments too; hours are cut at midnight;
a job is counted where it ended. The zone whose days these are stands in the first line.
`;

export function defineUsage(parent: Command, act: Act): void {
  const usage = parent
    .command('usage')
    .summary('What was used: money, hours, jobs')
    .description('Usage: what was spent, the hours of CPUs, GPUs, nodes and memory, and how many jobs.')
    .addHelpText('after', '\nExamples:\n  $ bursar usage show climate --last=30d\n  $ bursar usage summary\n');

  withOptions(
    usage
      .command('show')
      .summary('What an account and everything below it used')
      .description('Show what an account and everything below it used.')
      .argument('<account>', 'account name'),
  )
    .addHelpText(
      'after',
      `
Examples:
  $ bursar usage show climate --group-by day --from 2026-03-01 --to 2026-03-31
  $ bursar usage show climate --group-by user --partition gpu --last=4w
${NOTES}`,
    )
    .action(
      act(async (session, account: string, options: UsageOptions) => {
        const shown = await readReport(session, { ...queryOf(options), account }, options);
        answer(session, shown.report, [shown], options);
      }),
    );

  withOptions(
    usage
      .command('summary', { isDefault: true })
      .summary('What everybody used, account by account')
      .description(
        'Show what all accounts used, account by account unless --group-by says otherwise; a table for each unit.',
      ),
  )
    .option('--unit <unit>', 'only accounts that count in this unit')
    .addHelpText(
      'after',
      `
Examples:
  $ bursar usage summary --last=30d
  $ bursar usage summary --group-by day --cluster eagle --from 2026-03-01 --to 2026-03-31
${NOTES}`,
    )
    .action(
      act(async (session, options: UsageOptions) => {
        const query = { ...queryOf(options), group_by: options.groupBy ?? 'account' };
        const first = await readReport(session, query, options);
        const { other_units: others } = first.report;
        const units = options.unit === undefined ? others : [];
        const rest = await Promise.all(units.map((unit) => readReport(session, { ...query, unit }, options)));
        const all = [first, ...rest];
        const reports = all.map(({ report }) => report);
        answer(session, reports, all, options);
      }),
    );
}
