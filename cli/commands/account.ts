/** `bursar account`: the group; what is long lives in account-settings.ts and account-money.ts. */
import { Option, type Command } from 'commander';
import { asbbAccount, ASBB_ACCOUNT_COLUMNS } from '../asbb';
import { path } from '../client';
import { unitColumns } from '../columns';
import { clockIn, money, moneyIn, period } from '../format';
import { FIELDS } from '../fields';
import { withPages, type PageOptions } from '../paging';
import type { Act, Session } from '../session';
import type { Column } from '../table';
import type { Account } from '../wire';
import { defineBalance, defineFunds, defineStatement } from './account-money';
import { defineLimits, definePolicy, defineSetLimit } from './account-limits';
import { defineCreate, defineUpdate } from './account-settings';

const STATUSES = ['active', 'inactive', 'suspended', 'expired'];

const statusColor = (status: string) => (status === 'active' || status === 'open' ? undefined : 'yellow');

const NO_ACCOUNTS = 'No budget accounts found.';
const MAKE_ONE = 'Make one with `bursar account create NAME --name "A title" --start DATE --end DATE`.';

const accountColumns = (rows: readonly Account[]): Column<Account>[] => [
  { title: 'ACCOUNT', value: (row) => row.slurm_account, shrinksTo: 12 },
  { title: 'NAME', value: (row) => row.name, shrinksTo: 10, optional: 2 },
  ...unitColumns<Account>(rows, [
    ['LIMIT', (row) => money(row.budget_limit)],
    ['USED', (row) => money(row.budget_used)],
    ['HELD', (row) => money(row.budget_held)],
    ['AVAILABLE', (row) => money(row.budget_available), (row) => (row.budget_available < 0 ? 'red' : undefined)],
  ]),
  {
    title: 'STATUS',
    value: (row) => (row.archived_at ? 'archived' : row.status),
    color: (row) => statusColor(row.archived_at ? 'archived' : row.status),
  },
  ...(rows.some((row) => row.parent) ? [{ title: 'PARENT', value: (row: Account) => row.parent, optional: 1 }] : []),
];

export function showAccount(session: Session, account: Account): void {
  if (session.isAsbb) {
    asbbAccount(session, account);
    return;
  }
  const zone = session.zone(account.time_zone);
  const { unit } = account;
  session.fields([
    ['Account', account.slurm_account],
    ['Name', account.name],
    ['Description', account.description],
    ['Status', account.archived_at ? `archived ${clockIn(account.archived_at, zone)}` : account.status],
    ['Period', `${period(account.start_date, account.end_date, zone)} (${zone})`],
    ['Parent', account.parent],
    ['Subtree Limit', moneyIn(account.subtree_limit, unit)],
    ['Overspent', account.overspent_at && `since ${clockIn(account.overspent_at, zone)}`],
    ['Created', clockIn(account.created_at, zone)],
    ['Updated', clockIn(account.updated_at, zone)],
  ]);
  session.heading(`Budget (${unit})`);
  session.fields([
    ['Limit', money(account.budget_limit)],
    ['Used', money(account.budget_used)],
    ['Held', money(account.budget_held)],
    ['Available', money(account.budget_available)],
    [
      'When it runs out',
      account.on_exhaustion === 'deny'
        ? 'jobs are denied'
        : `overdraft up to ${moneyIn(account.overdraft_limit, unit)}`,
    ],
  ]);
}

export function defineAccount(parent: Command, act: Act): void {
  const account = parent
    .command('account')
    .summary('Accounts: money, windows, limits, policy')
    .description('Accounts: who may spend how much, from when to when.')
    .addHelpText(
      'after',
      `
Examples:
  $ bursar account list
  $ bursar account balance climate
  $ bursar account set-limit climate --partition gpu --limit 300
`,
    );

  withPages(
    account
      .command('list')
      .summary('List accounts')
      .description('List accounts, the newest first.')
      .addOption(new Option('--status <status>', 'with this status').choices(STATUSES))
      .option('--parent <account>', 'directly below this account')
      .option('--archived', 'archived ones'),
  )
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar account list --status active\n  $ bursar account list --all --json\n',
    )
    .action(
      act(async (session, options: PageOptions & { status?: string; parent?: string; archived?: boolean }) => {
        await session.list<Account>(
          '/api/v1/accounts',
          { status: options.status, parent: options.parent, archived: options.archived ? 'true' : undefined },
          options,
          (rows) => (session.isAsbb ? ASBB_ACCOUNT_COLUMNS : accountColumns(rows)),
          session.isAsbb ? NO_ACCOUNTS : `${NO_ACCOUNTS} ${MAKE_ONE}`,
          FIELDS.account,
        );
      }),
    );

  defineCreate(account, act);

  account
    .command('show')
    .summary('Show an account')
    .description('Show an account.')
    .argument('<account>', 'account name')
    .addHelpText('after', '\nExamples:\n  $ bursar account show climate\n')
    .action(
      act(async (session, name: string) => {
        const found = await session.client.get<Account>(path`/api/v1/accounts/${name}`);
        session.answer(found, () => showAccount(session, found), FIELDS.account);
      }),
    );

  defineUpdate(account, act);

  account
    .command('delete')
    .summary('Archive an account')
    .description(
      'Archive an account: no job may use it and its name stays taken. Its history stays. Refused while holds are open.',
    )
    .argument('<account>', 'account name')
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar account delete climate\n  $ bursar account unarchive climate      takes it back\n',
    )
    .action(
      act(async (session, name: string) => {
        await session.client.delete(path`/api/v1/accounts/${name}`);
        session.answer({ account: name, archived: true }, () =>
          session.line(
            `${session.paint('green', 'Archived')} ${name}. \`bursar account unarchive ${name}\` brings it back.`,
          ),
        );
      }),
    );

  account
    .command('unarchive')
    .summary('Bring an archived account back')
    .description('Bring an archived account back, with all that it was.')
    .argument('<account>', 'account name')
    .addHelpText('after', '\nExamples:\n  $ bursar account unarchive climate\n')
    .action(
      act(async (session, name: string) => {
        const found = await session.client.post<Account>(path`/api/v1/accounts/${name}/unarchive`, {});
        session.answer(
          found,
          () => {
            session.line(session.paint('green', 'Back again.'));
            showAccount(session, found);
          },
          FIELDS.account,
        );
      }),
    );

  defineBalance(account, act);
  defineStatement(account, act);
  defineFunds(account, act);
  defineSetLimit(account, act);
  defineLimits(account, act);
  definePolicy(account, act);
}
