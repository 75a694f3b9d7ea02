/**
 * What `asbb` prints where scripts may read it: the columns, the labels and the amounts of ASBB's own commands (contract 9).
 * `bursar` prints better tables; both are the same program.
 */
import type { BuildFacts } from '../platform/build-facts';
import { clockIn, dollars, period } from './format';
import type { Session } from './session';
import type { Column } from './table';
import type { Account } from './wire';

export const ASBB_ACCOUNT_COLUMNS: readonly Column<Account>[] = [
  { title: 'ACCOUNT', value: (row) => row.slurm_account },
  { title: 'NAME', value: (row) => row.name },
  { title: 'LIMIT', value: (row) => dollars(row.budget_limit, row.unit) },
  { title: 'USED', value: (row) => dollars(row.budget_used, row.unit) },
  { title: 'HELD', value: (row) => dollars(row.budget_held, row.unit) },
  { title: 'AVAILABLE', value: (row) => dollars(row.budget_available, row.unit) },
  { title: 'STATUS', value: (row) => row.status },
  { title: 'INCREMENTAL', value: (row) => String(row.has_incremental_budget) },
];

const days = ({ start_date: start, end_date: end, time_zone: zone }: Account): string => period(start, end, zone);

export const asbbCreated = (session: Session, account: Account): void =>
  session.labelled([
    '✅ Budget account created successfully!',
    ['Account', account.slurm_account],
    ['Name', account.name],
    ['Budget Limit', dollars(account.budget_limit, account.unit)],
    ['Period', days(account)],
    ['Status', account.status],
  ]);

export function asbbAccount(session: Session, account: Account): void {
  const { unit } = account;
  const zone = session.zone(account.time_zone);
  session.labelled([
    'Account Details:',
    '================',
    ['SLURM Account', account.slurm_account],
    ['Name', account.name],
    ...(account.description === '' ? [] : [['Description', account.description] as const]),
    '',
    'Budget Information:',
    ['Limit', dollars(account.budget_limit, unit)],
    ['Used', dollars(account.budget_used, unit)],
    ['Held', dollars(account.budget_held, unit)],
    ['Available', dollars(account.budget_available, unit)],
    '',
    ['Account Status', account.status],
    ['Period', days(account)],
    '',
    ['Created', clockIn(account.created_at, zone) ?? ''],
    ['Updated', clockIn(account.updated_at, zone) ?? ''],
  ]);
}

export const asbbVersion = (session: Session, { version, gitCommit, buildTime }: BuildFacts): void =>
  session.labelled([
    ['Version', version],
    ['Git Commit', gitCommit],
    ['Build Time', buildTime],
    // Its label; what is behind it is what runs this.
    ['Go Version', `node ${process.version}`],
    ['OS/Arch', `${process.platform}/${process.arch}`],
  ]);
