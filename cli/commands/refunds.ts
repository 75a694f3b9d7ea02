/** `bursar refunds list`: what was given back, and why. */
import { Option, type Command } from 'commander';
import { REFUND_REASONS } from '../../domain/policy';
import { readSpan } from '../dates';
import { FIELDS } from '../fields';
import { clock, money } from '../format';
import { withPages, type PageOptions } from '../paging';
import type { Act } from '../session';
import { unitColumns } from '../columns';
import type { Refund } from '../wire';

interface Options extends PageOptions {
  account?: string;
  user?: string;
  cluster?: string;
  job?: string;
  reason?: string;
  from?: string;
  to?: string;
  last?: string;
}

const TOLD = { waiting: 'not yet', sent: 'yes', given_up: 'no' } as const;

export function defineRefunds(parent: Command, act: Act): void {
  const refunds = parent
    .command('refunds')
    .summary('What was given back, and why')
    .description(
      'Refunds: what was given back and why. `bursar cluster set --refund-...` says which runs get something back by themselves; `bursar refund` gives by hand.',
    )
    .addHelpText('after', '\nExamples:\n  $ bursar refunds list --last 7d\n');

  withPages(
    refunds
      .command('list')
      .summary('List refunds, the newest first')
      .description(
        'List refunds, the newest first: those that Bursar made because of how a run ended, and those that people gave. --json has the record that is the evidence.',
      )
      .option('--account <account>', 'of this account')
      .option('--user <user>', "of this user's jobs")
      .option('--cluster <cluster>', 'of jobs of this cluster')
      .option('--job <id>', 'of this job')
      .addOption(new Option('--reason <reason>', 'for this reason').choices([...REFUND_REASONS, 'manual']))
      .option('--from <time>', 'given since this day or time')
      .option('--to <time>', 'given until this day (included) or time')
      .addOption(new Option('--last <span>', 'given in the last hours, days or weeks: 12h, 30d, 4w').conflicts('from')),
  )
    .addHelpText(
      'after',
      `
Examples:
  $ bursar refunds list --account climate --last 30d
  $ bursar refunds list --reason node_fail --from 2026-01-01 --all --csv
  $ bursar refunds list --job 88123 --json | jq '.[].evidence'

Days are read in UTC. TOLD says whether the user's e-mail has been sent.
`,
    )
    .action(
      act(async (session, options: Options) => {
        await session.list<Refund>(
          '/api/v1/refunds',
          {
            account: options.account,
            user_id: options.user,
            cluster: options.cluster,
            job_id: options.job,
            reason: options.reason,
            ...readSpan(options, session.io.now()),
          },
          options,
          (rows) => [
            { title: 'REFUND', value: (row) => row.transaction_id, optional: 5 },
            { title: 'WHEN (UTC)', value: (row) => clock(row.refunded_at, 'UTC') },
            { title: 'ACCOUNT', value: (row) => row.account, shrinksTo: 10, optional: 3 },
            { title: 'USER', value: (row) => row.user_id, shrinksTo: 8 },
            { title: 'JOB', value: (row) => `${row.cluster}/${row.job_id}`, shrinksTo: 8 },
            { title: 'REASON', value: (row) => row.reason.replaceAll('_', ' ') },
            ...unitColumns<Refund>(rows, [
              ['AMOUNT', (row) => money(row.amount)],
              ['CHARGED', (row) => money(row.charged)],
            ]),
            { title: 'TOLD', value: (row) => row.notice && TOLD[row.notice.status], optional: 2 },
            { title: 'DESCRIPTION', value: (row) => row.description, shrinksTo: 16, optional: 4 },
          ],
          'No refunds found.',
          FIELDS.refund,
        );
      }),
    );
}
