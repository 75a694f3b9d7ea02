import { Option, type Command } from 'commander';
import { ASBB_TYPES, TRANSACTION_KINDS } from '../../domain/transaction';
import { path } from '../client';
import { readSpan } from '../dates';
import { clock, clockIn, money, moneyIn } from '../format';
import { FIELDS } from '../fields';
import { withPages, type PageOptions } from '../paging';
import type { Act } from '../session';
import type { Column } from '../table';
import type { Transaction } from '../wire';
import { unitColumns } from '../columns';

const STATUSES = ['pending', 'completed', 'failed', 'cancelled'];

const transactionColumns = (rows: readonly Transaction[], zone: string): Column<Transaction>[] => [
  { title: 'TRANSACTION', value: (row) => row.transaction_id },
  { title: `WHEN (${zone})`, value: (row) => clock(row.effective_at, zone), optional: 3 },
  { title: 'ACCOUNT', value: (row) => row.account, shrinksTo: 10, optional: 1 },
  { title: 'KIND', value: (row) => row.kind },
  ...unitColumns<Transaction>(rows, [
    [
      'AMOUNT',
      (row) => `${row.direction === 'out' && row.amount >= 0 ? '-' : ''}${money(row.amount)}`,
      (row) => (row.direction === 'in' ? 'green' : undefined),
    ],
  ]),
  { title: 'JOB', value: (row) => row.job_id, shrinksTo: 8, optional: 2 },
  { title: 'DESCRIPTION', value: (row) => row.description, shrinksTo: 16, optional: 4 },
];

interface ListOptions extends PageOptions {
  account?: string;
  job?: string;
  cluster?: string;
  kind?: string;
  type?: string;
  status?: string;
  user?: string;
  hold?: string;
  from?: string;
  to?: string;
  last?: string;
}

export function defineTransactions(parent: Command, act: Act): void {
  const transactions = parent
    .command('transactions')
    .summary('What moved, when and why')
    .description(
      'Transactions: what moved, when and why. Nothing is ever edited; corrections stand beside what they correct.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar transactions list --account climate\n  $ bursar transactions show txn_01JDABCDEFGHJKMNPQRSTVWXYZ\n',
    );

  withPages(
    transactions
      .command('list')
      .summary('List transactions, the newest first')
      .description('List transactions, the newest first.')
      .option('--account <account>', 'of this account')
      .option('--job <id>', 'of this job')
      .option('--cluster <cluster>', 'of jobs of this cluster')
      .option('--hold <id>', 'of this hold')
      .option('--user <user>', "of this user's jobs")
      .addOption(new Option('--kind <kind>', 'of this kind').choices(TRANSACTION_KINDS))
      .addOption(new Option('--type <type>', "of this type, in ASBB's words").choices(ASBB_TYPES))
      .addOption(new Option('--status <status>', 'with this status').choices(STATUSES))
      .option('--from <time>', 'recorded since this day or time')
      .option('--to <time>', 'recorded until this day (included) or time')
      .addOption(
        new Option('--last <span>', 'recorded in the last hours, days or weeks: 12h, 30d, 4w').conflicts('from'),
      ),
  )
    .addHelpText(
      'after',
      `
Examples:
  $ bursar transactions list --account climate --last 30d
  $ bursar transactions list --kind refund --from 2026-01-01 --to 2026-03-31 --all --json

Days are read in UTC. An amount with a minus leaves what is available; a hold does, a release comes back.
`,
    )
    .action(
      act(async (session, options: ListOptions) => {
        const { from, to } = readSpan(options, session.io.now());
        await session.list<Transaction>(
          '/api/v1/transactions',
          {
            account: options.account,
            job_id: options.job,
            cluster: options.cluster,
            hold: options.hold,
            user_id: options.user,
            kind: options.kind,
            type: options.type,
            status: options.status,
            start_date: from,
            end_date: to,
          },
          options,
          (rows) => transactionColumns(rows, 'UTC'),
          'No transactions found.',
          FIELDS.transaction,
        );
      }),
    );

  transactions
    .command('show')
    .summary('Show a transaction with its entries')
    .description('Show a transaction with its entries in the books; they sum to zero.')
    .argument('<transaction>', 'transaction id')
    .addHelpText('after', '\nExamples:\n  $ bursar transactions show txn_01JDABCDEFGHJKMNPQRSTVWXYZ\n')
    .action(
      act(async (session, id: string) => {
        const transaction = await session.client.get<Transaction>(path`/api/v1/transactions/${id}`);
        session.answer(
          transaction,
          () => {
            session.fields([
              ['Transaction', transaction.transaction_id],
              ['Account', transaction.account],
              ['Kind', transaction.kind],
              ['Amount', `${moneyIn(transaction.amount, transaction.unit)} ${transaction.direction}`],
              ['Status', transaction.status],
              ['Description', transaction.description],
              ['Job', transaction.job_id && [transaction.cluster, transaction.job_id].filter(Boolean).join('/')],
              ['Partition', transaction.partition],
              ['User', transaction.user_id],
              ['Of', transaction.parent_transaction_id],
              ['By', transaction.actor],
              ['Happened', clockIn(transaction.effective_at, 'UTC')],
              ['Recorded', clockIn(transaction.created_at, 'UTC')],
            ]);
            if (!transaction.entries?.length) return;
            session.heading('Entries');
            session.table(transaction.entries, [
              { title: 'ACCOUNT', value: (entry) => entry.account },
              { title: 'FUND', value: (entry) => entry.fund_id },
              { title: 'BOOK', value: (entry) => entry.book },
              { title: `AMOUNT (${transaction.unit})`, value: (entry) => money(entry.amount), align: 'point' },
            ]);
          },
          FIELDS.transaction,
        );
      }),
    );
}
