import { Option, type Command } from 'commander';
import { path } from '../client';
import { EXIT, Stop } from '../exit';
import { clock, clockIn, money, moneyIn } from '../format';
import { KEY_OPTION, keyOf } from '../keys';
import { FIELDS } from '../fields';
import { withPages, type PageOptions } from '../paging';
import type { Act, Session } from '../session';
import type { UnmatchedDetails, UnmatchedReport } from '../wire';

interface ListOptions extends PageOptions {
  status?: string;
  source?: string;
  cluster?: string;
  account?: string;
  jobId?: string;
}

const STATUSES = ['waiting', 'applied', 'resolved', 'dismissed', 'all'];
const SOURCES = ['reconcile', 'epilog', 'asbx'];

export function defineUnmatched(parent: Command, act: Act): void {
  const unmatched = parent
    .command('unmatched')
    .summary('Reports of ended jobs that no hold is known for')
    .description(
      'What an epilog, ASBX or a bare cost said of a job for which no hold is known. It is charged by itself as soon as the job is bound to one; else somebody resolves it here.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar unmatched list\n  $ bursar unmatched show 17\n  $ bursar unmatched resolve 17 --transaction txn_01JDABCDEFGHJKMNPQRSTVWXYZ\n',
    );

  withPages(
    unmatched
      .command('list')
      .summary('List what waits, the newest first')
      .description('List what waits, the newest first.')
      .addOption(new Option('--status <status>', 'with this status (default: waiting)').choices(STATUSES))
      .addOption(new Option('--source <source>', 'that came so').choices(SOURCES))
      .option('--cluster <cluster>', 'from this cluster')
      .option('--account <account>', 'that name this account')
      .option('--job-id <id>', "about this id of the scheduler's"),
  )
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar unmatched list --source epilog --account climate\n  $ bursar unmatched list --status all --job-id 88123\n',
    )
    .action(
      act(async (session, options: ListOptions) => {
        await session.list<UnmatchedReport>(
          '/api/v1/unmatched',
          {
            status: options.status,
            source: options.source,
            cluster: options.cluster,
            account: options.account,
            job_id: options.jobId,
          },
          options,
          (rows) => {
            const zone = session.zoneOf(rows);
            return [
              { title: 'ID', value: (row) => String(row.id) },
              { title: 'JOB', value: (row) => `${row.cluster}/${row.job_id}` },
              { title: 'SOURCE', value: (row) => row.source },
              { title: 'ACCOUNT', value: (row) => row.account, shrinksTo: 10 },
              { title: 'USER', value: (row) => row.user_id, shrinksTo: 8, optional: 2 },
              { title: 'COST', value: (row) => moneyIn(row.cost, row.unit) },
              { title: 'STATUS', value: (row) => row.status },
              { title: 'WHY', value: whyOf, optional: 3 },
              { title: `RECEIVED (${zone})`, value: (row) => clock(row.received_at, zone), optional: 1 },
            ];
          },
          options.status === undefined || options.status === 'waiting' ? 'No report waits.' : 'No reports found.',
          FIELDS.unmatched,
        );
      }),
    );

  unmatched
    .command('show')
    .summary('Show one with the holds it may be about')
    .description('Show a report as it was received, with the open holds that it may be about.')
    .argument('<id>', 'its number')
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar unmatched show 17\n  $ bursar unmatched show 17 --json | jq .evidence\n',
    )
    .action(
      act(async (session, id: string) => {
        const report = await session.client.get<UnmatchedDetails>(path`/api/v1/unmatched/${id}`);
        session.answer(report, () => show(session, report), FIELDS.unmatchedDetails);
      }),
    );

  unmatched
    .command('resolve')
    .summary('Give it to a hold, or charge an account')
    .description(
      'Give a report to the hold that it is about; its job is settled as if the report had named it. Or charge an account with it, without a hold.',
    )
    .argument('<id>', 'its number')
    .option('--transaction <id>', 'transaction id of the hold')
    .addOption(new Option('--account <account>', 'charge this account instead').conflicts('transaction'))
    .option('--reason <text>', 'why; it stays with the change')
    .option(...KEY_OPTION)
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar unmatched resolve 17 --transaction txn_01JDABCDEFGHJKMNPQRSTVWXYZ\n  $ bursar unmatched resolve 17 --account climate --reason "ran while the budget service was down"\n',
    )
    .action(
      act(
        async (
          session,
          id: string,
          options: { transaction?: string; account?: string; reason?: string; key?: string },
        ) => {
          if (options.transaction === undefined && options.account === undefined) {
            throw new Stop(
              EXIT.usage,
              'Give --transaction with the id of the hold, or --account to charge it without one.',
              {
                hints: ['`bursar unmatched show ID` lists the holds that it may be about.'],
              },
            );
          }
          const report = await session.client.post<UnmatchedDetails>(
            path`/api/v1/unmatched/${id}/resolve`,
            { transaction_id: options.transaction, account: options.account, reason: options.reason },
            keyOf(options),
          );
          session.answer(
            report,
            () => {
              session.line(session.paint('green', 'Resolved.'));
              show(session, report);
            },
            FIELDS.unmatchedDetails,
          );
        },
      ),
    );

  unmatched
    .command('dismiss')
    .summary('Charge nothing for it')
    .description('End the waiting of a report that is about nothing of ours. Nothing is charged for it.')
    .argument('<id>', 'its number')
    .requiredOption('--reason <text>', 'why; it stays with the change')
    .option(...KEY_OPTION)
    .addHelpText('after', '\nExamples:\n  $ bursar unmatched dismiss 17 --reason "a job of the test cluster"\n')
    .action(
      act(async (session, id: string, options: { reason: string; key?: string }) => {
        const report = await session.client.post<UnmatchedDetails>(
          path`/api/v1/unmatched/${id}/dismiss`,
          { reason: options.reason },
          keyOf(options),
        );
        session.answer(
          report,
          () => {
            session.line(session.paint('green', 'Dismissed.'));
            show(session, report);
          },
          FIELDS.unmatchedDetails,
        );
      }),
    );
}

const whyOf = ({ why }: UnmatchedReport): string =>
  why === 'no_hold' ? 'no hold is known' : 'several holds may be meant';

function show(session: Session, report: UnmatchedDetails): void {
  const zone = session.zone(report.time_zone);
  session.fields([
    ['Report', String(report.id)],
    ['Job', `${report.cluster}/${report.job_id}`],
    ['Source', report.source],
    ['Status', report.status],
    ['Why', report.status === 'waiting' ? whyOf(report) : undefined],
    ['Account', report.account],
    ['User', report.user_id],
    ['Partition', report.partition],
    ['Submitted', clockIn(report.submitted_at, zone)],
    ['Cost', moneyIn(report.cost, report.unit) ?? 'by usage'],
    ['Received', clockIn(report.received_at, zone)],
    ['Received by', report.received_by],
    ['Hold', report.transaction_id],
    ['Closed', clockIn(report.closed_at, zone)],
    ['Closed by', report.closed_by],
    ['Reason', report.reason],
  ]);
  if (report.status !== 'waiting') return;
  if (report.candidates.length === 0) {
    session.say('No open hold of its account, partition, user and time is free.');
    return;
  }
  session.heading('Holds it may be about');
  session.table(report.candidates, [
    { title: 'TRANSACTION', value: (row) => row.transaction_id },
    { title: 'PARTITION', value: (row) => row.partition },
    { title: 'USER', value: (row) => row.user_id },
    { title: 'HELD', value: (row) => moneyIn(row.held, report.unit) ?? money(row.held) },
    { title: `EFFECTIVE (${zone})`, value: (row) => clock(row.effective_at, zone) },
  ]);
}
