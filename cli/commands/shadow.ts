/** shadow report and job refusals: what would have been denied on clusters that are only watched, and what was denied. */
import type { Command } from 'commander';
import { unitColumns } from '../columns';
import { readAgo, readTime } from '../dates';
import { FIELDS } from '../fields';
import { clock, clockIn, money, moneyIn } from '../format';
import { rowsSkipped, withPages, type PageOptions } from '../paging';
import type { Act, Session } from '../session';
import type { Column } from '../table';
import { plural } from '../text';
import type { RefusalReport } from '../wire';

type Denial = RefusalReport['denials'][number];
type Total = RefusalReport['totals'][number];

export interface ReportOptions extends PageOptions {
  cluster?: string;
  account?: string;
  user?: string;
  code?: string;
  since?: string;
  until?: string;
}

/** `7d` is that long ago; else a day or a time. */
const readSince = (session: Session, text: string | undefined): string | undefined =>
  text === undefined || !/^\d+[a-z]$/.test(text)
    ? text && readTime('--since', text, 'UTC', 'first')
    : readAgo('--since', text, session.io.now());

/** As many denials as were asked for, a page at a time; the totals of the first are those of all. */
async function readReport(
  session: Session,
  address: string,
  query: Readonly<Record<string, string | undefined>>,
  page: PageOptions,
): Promise<{ report: RefusalReport; more: boolean }> {
  const most = session.rowsWanted(page);
  const paged = { ...query, limit: Math.min(most ?? 1000, 1000) };
  const report = await session.client.get<RefusalReport>(address, {
    ...paged,
    offset: rowsSkipped(page),
  });
  let cursor = report.next_cursor;
  while (cursor !== undefined && (most === undefined || report.denials.length < most)) {
    const next = await session.client.get<RefusalReport>(address, { ...paged, cursor });
    report.denials.push(...next.denials);
    cursor = next.next_cursor;
  }
  const beyond = most === undefined ? [] : report.denials.splice(most);
  return { report, more: cursor !== undefined || beyond.length > 0 };
}

function show(session: Session, report: RefusalReport, { empty, title, ranAllTheSame }: Words): void {
  if (report.totals.length === 0) {
    for (const sentence of empty) session.say(sentence);
    return;
  }
  const zone = session.zoneOf(report.denials);
  const denied = report.totals.reduce((sum, total) => sum + total.denied, 0);
  session.fields([
    [title, plural(denied, 'submission')],
    [
      'For',
      report.totals.flatMap(({ unit, estimated_cost: cost }) => (unit ? moneyIn(cost, unit) : [])).join(', ') ||
        undefined,
    ],
    ['Since', clockIn(report.since, zone)],
    ['Until', clockIn(report.until, zone)],
  ]);
  for (const [what, totals] of [
    ['account', report.by_account],
    ['user', report.by_user],
    ['reason', report.by_code],
  ] as const) {
    session.heading(`By ${what}`);
    session.table(totals, [
      { title: what.toUpperCase(), value: (total) => total.name ?? '(none named)', shrinksTo: 12 },
      { title: 'DENIED', value: (total) => String(total.denied), align: 'right' },
      ...unitColumns<Total>(totals, [['COST', costOf]]),
    ]);
  }
  session.heading('Denials');
  session.table(report.denials, [
    { title: `WHEN (${zone})`, value: (denial) => clock(denial.at, zone) },
    { title: 'USER', value: (denial) => denial.user_id, shrinksTo: 8 },
    { title: 'ACCOUNT', value: (denial) => denial.account, shrinksTo: 10 },
    { title: 'JOB', value: (denial) => denial.job_id && `${denial.cluster}/${denial.job_id}`, optional: 1 },
    ...unitColumns<Denial>(report.denials, [
      ['COST', costOf],
      ...(ranAllTheSame ? [['REALLY', (denial: Denial) => money(denial.would_have_cost)] as const] : []),
    ]),
    { title: 'WHY', value: (denial) => denial.message, shrinksTo: 20 },
  ] satisfies Column<Denial>[]);
}

/** Without an account that is known there is no price. */
const costOf = ({ unit, estimated_cost: cost }: Denial | Total): string | undefined =>
  unit === undefined ? undefined : money(cost);

interface Words {
  empty: readonly string[];
  title: string;
  /** In shadow mode what is denied runs, and it is known what it would have cost. */
  ranAllTheSame: boolean;
}

const WATCHED: Words = {
  title: 'Would be denied',
  ranAllTheSame: true,
  empty: [
    'Nothing would have been denied.',
    '`bursar cluster set NAME --enforcement shadow` watches a cluster without enforcing.',
  ],
};

export const DENIED: Words = { title: 'Denied', ranAllTheSame: false, empty: ['Nothing was denied.'] };

export const withFilters = (command: Command): Command =>
  withPages(
    command
      .option('--cluster <cluster>', 'on this cluster')
      .option('--account <account>', 'that named this account')
      .option('--user <user>', 'by this user')
      .option('--code <code>', 'for this reason, like insufficient_budget')
      .option('--since <time>', 'from this day or time on, or for so long: 12h, 7d, 4w')
      .option('--until <time>', 'until this day (included) or time'),
  );

export async function answerReport(
  session: Session,
  address: string,
  options: ReportOptions,
  words: Words,
): Promise<void> {
  const query = {
    cluster: options.cluster,
    account: options.account,
    user_id: options.user,
    code: options.code,
    since: readSince(session, options.since),
    until: options.until && readTime('--until', options.until, 'UTC', 'last'),
  };
  const { report, more } = await readReport(session, address, query, options);
  session.answer(report, () => show(session, report, words), FIELDS.refusal, report.denials);
  if (more) session.noteMore(rowsSkipped(options), report.denials.length);
}

export function defineShadow(parent: Command, act: Act): void {
  const shadow = parent
    .command('shadow')
    .summary('What would have been denied on clusters that are only watched')
    .description(
      'Shadow mode: every decision about the jobs of a cluster is made and recorded, and none is applied. What would have been denied runs, is followed and metered, and costs nothing.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar cluster set mycluster --enforcement shadow\n  $ bursar shadow report --since 7d\n  $ bursar cluster set mycluster --enforcement enforce\n',
    );

  withFilters(
    shadow
      .command('report')
      .summary('Who would have been denied, why, and for how much')
      .description(
        'Submissions that would have been denied: totals by account, user and reason, then each of them, the newest first. COST is the estimate of then, REALLY what the runs would have cost so far.',
      ),
  )
    .addHelpText(
      'after',
      `
Examples:
  $ bursar shadow report --since 7d
  $ bursar shadow report --account climate --since 2026-03-01 --until 2026-03-31
  $ bursar shadow report --user rkaur --all --csv > denied.csv
  $ bursar shadow report --json | jq .by_account

Days are read in UTC.
`,
    )
    .action(act((session, options: ReportOptions) => answerReport(session, '/api/v1/slurm/shadow', options, WATCHED)));
}
