import { Option, type Command } from 'commander';
import { path } from '../client';
import { EXIT, Stop } from '../exit';
import { unitColumns } from '../columns';
import { clock, clockIn, money, moneyIn } from '../format';
import { KEY_OPTION, keyOf } from '../keys';
import { FIELDS } from '../fields';
import { withPages, type PageOptions } from '../paging';
import type { Act, Session } from '../session';
import type { Hold } from '../wire';

/** A charge beyond its hold, and one that was corrected since, are not what left the hold. */
const fromHold = ({ charged, charged_from_hold, unit }: Hold): string | undefined =>
  charged === charged_from_hold ? undefined : `(${moneyIn(charged_from_hold, unit)} from the hold)`;

/** An array gives back what its tasks do not need, task by task. */
function resizedBy({ resized, given_back, unit }: Hold): string | undefined {
  if (resized === 0 && given_back === 0) return undefined;
  const all = `${resized > 0 ? '+' : ''}${moneyIn(resized, unit)}`;
  return given_back === 0 || given_back === -resized ? all : `${all} (${moneyIn(given_back, unit)} given back)`;
}

function spareOf({ use_by, job_id, status }: Hold): string | undefined {
  if (use_by === undefined) return undefined;
  if (job_id !== undefined) return 'yes: placed beforehand, and taken by its job';
  if (status !== 'open') return 'yes: placed beforehand, and no job took it';
  return `yes: placed beforehand, for a job that comes until ${clockIn(use_by, 'UTC')}`;
}

const isSpare = ({ status, use_by, job_id }: Hold): boolean =>
  status === 'open' && use_by !== undefined && job_id === undefined;

function showHold(session: Session, hold: Hold): void {
  const { unit } = hold;
  session.fields([
    ['Hold', hold.transaction_id],
    ['Key', hold.key],
    ['Account', hold.account],
    ['Job', hold.job_id === undefined ? undefined : `${hold.cluster}/${hold.job_id}`],
    ['Cluster', hold.cluster],
    ['Partition', hold.partition],
    ['User', hold.user_id],
    ['Status', hold.overdue_at ? `${hold.status}, overdue since ${clockIn(hold.overdue_at, 'UTC')}` : hold.status],
    ['Placed', moneyIn(hold.placed, unit)],
    ['Resized', resizedBy(hold)],
    ['Held', moneyIn(hold.held, unit)],
    ['Charged', [moneyIn(hold.charged, unit), fromHold(hold)].filter(Boolean).join(' ')],
    ['Released', moneyIn(hold.released, unit)],
    ['Late', hold.late ? 'yes: made after the fact, for a job that had no hold' : undefined],
    ['Spare', spareOf(hold)],
    ['Group', hold.group],
    ['Effective', clockIn(hold.effective_at, 'UTC')],
    ['Made', clockIn(hold.placed_at, 'UTC')],
    ['Closed', clockIn(hold.closed_at, 'UTC')],
  ]);
  if (hold.parts.length > 1) {
    session.heading('Funds it draws on');
    session.table(hold.parts, [
      { title: 'FUND', value: (part) => part.fund_id },
      { title: 'SOURCE', value: (part) => part.source },
      { title: `HELD (${unit})`, value: (part) => money(part.held), align: 'point' },
    ]);
  }
}

interface ListOptions extends PageOptions {
  account?: string;
  cluster?: string;
  user?: string;
  status?: string;
  overdue?: boolean;
  late?: boolean;
}

export function defineHold(parent: Command, act: Act): void {
  const hold = parent
    .command('hold')
    .summary('Money set aside for jobs')
    .description('Holds: money set aside for jobs before they start. Each ends settled or released, once.')
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar hold list --account climate --status open\n  $ bursar hold find slurm-88123-1772460311\n',
    );

  withPages(
    hold
      .command('list')
      .summary('List holds, the newest first')
      .description('List holds, the newest first.')
      .option('--account <account>', 'of this account')
      .option('--cluster <cluster>', 'of this cluster')
      .option('--user <user>', "of this user's jobs")
      .addOption(new Option('--status <status>', 'with this status').choices(['open', 'settled', 'released']))
      .option('--overdue', 'nobody can say what became of the job')
      .option('--late', 'made after the fact'),
  )
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar hold list --status open\n  $ bursar hold list --overdue --all --json\n',
    )
    .action(
      act(async (session, options: ListOptions) => {
        await session.list<Hold>(
          '/api/v1/holds',
          {
            account: options.account,
            cluster: options.cluster,
            user_id: options.user,
            status: options.status,
            overdue: options.overdue ? 'true' : undefined,
            late: options.late ? 'true' : undefined,
          },
          options,
          (rows) => [
            { title: 'HOLD', value: (row) => row.transaction_id },
            { title: 'ACCOUNT', value: (row) => row.account, shrinksTo: 10, optional: 1 },
            { title: 'JOB', value: (row) => row.job_id, shrinksTo: 8 },
            { title: 'CLUSTER', value: (row) => row.cluster, shrinksTo: 8, optional: 4 },
            ...unitColumns<Hold>(rows, [
              ['PLACED', (row) => money(row.placed)],
              ['HELD', (row) => money(row.held)],
              ['CHARGED', (row) => money(row.charged)],
              ...(rows.some(({ given_back }) => given_back !== 0)
                ? [['GIVEN BACK', (row: Hold) => money(row.given_back)] as const]
                : []),
              ['RELEASED', (row) => money(row.released)],
            ]),
            {
              title: 'STATUS',
              value: (row) =>
                row.overdue_at && row.status === 'open' ? 'overdue' : isSpare(row) ? 'spare' : row.status,
              color: (row) =>
                row.overdue_at && row.status === 'open' ? 'red' : row.status === 'open' ? 'cyan' : undefined,
            },
            { title: 'MADE (UTC)', value: (row) => clock(row.placed_at, 'UTC'), optional: 3 },
          ],
          'No holds found.',
          FIELDS.hold,
        );
      }),
    );

  hold
    .command('show')
    .summary('Show a hold')
    .description('Show a hold.')
    .argument('<hold>', 'its transaction id')
    .addHelpText('after', '\nExamples:\n  $ bursar hold show txn_01JDABCDEFGHJKMNPQRSTVWXYZ\n')
    .action(
      act(async (session, id: string) => {
        const found = await session.client.get<Hold>(path`/api/v1/holds/${id}`);
        session.answer(found, () => showHold(session, found), FIELDS.hold);
      }),
    );

  hold
    .command('find')
    .summary('Find the hold that was made with a key')
    .description('Find the hold that was made with an idempotency key: the one that is stamped on the job.')
    .argument('<key>', 'the key')
    .addHelpText('after', '\nExamples:\n  $ bursar hold find slurm-88123-1772460311\n')
    .action(
      act(async (session, key: string) => {
        const { rows } = await session.client.list<Hold>('/api/v1/holds', { key }, 1);
        const [found] = rows;
        if (!found) {
          throw new Stop(EXIT.notFound, `No hold was made with the key "${key}".`, {
            hints: ['A check that was denied makes none.'],
            problem: { code: 'hold_not_found', detail: `No hold was made with the key "${key}".` },
          });
        }
        session.answer(found, () => showHold(session, found), FIELDS.hold);
      }),
    );

  hold
    .command('resize')
    .summary('Hold more or less')
    .description('Set what is held from now on. More passes every limit or is refused; less gives back.')
    .argument('<hold>', 'its transaction id')
    .argument('<amount>', "what is to be held, in the account's unit")
    .option('--reason <text>', 'why; it stays with the transaction')
    .option(...KEY_OPTION)
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar hold resize txn_01JDABCDEFGHJKMNPQRSTVWXYZ 80 --reason "time limit raised"\n',
    )
    .action(
      act(async (session, id: string, amount: string, options: { reason?: string; key?: string }) => {
        const found = await session.client.post<Hold>(
          path`/api/v1/holds/${id}/resize`,
          { amount, reason: options.reason },
          keyOf(options),
        );
        session.answer(
          found,
          () => {
            session.line(session.paint('green', 'Resized.'));
            showHold(session, found);
          },
          FIELDS.hold,
        );
      }),
    );

  hold
    .command('release')
    .summary('Close a hold and give its money back')
    .description('Close a hold and give back all that is left of it. A hold that is closed already is shown as it is.')
    .argument('<hold>', 'its transaction id')
    .option('--reason <text>', 'why; it stays with the transaction')
    .option(...KEY_OPTION)
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar hold release txn_01JDABCDEFGHJKMNPQRSTVWXYZ --reason "job was never submitted"\n',
    )
    .action(
      act(async (session, id: string, options: { reason?: string; key?: string }) => {
        const found = await session.client.post<Hold>(
          path`/api/v1/holds/${id}/release`,
          { reason: options.reason },
          keyOf(options),
        );
        session.answer(
          found,
          () => {
            session.line(session.paint('green', `${found.status === 'released' ? 'Released' : 'Closed before'}.`));
            showHold(session, found);
          },
          FIELDS.hold,
        );
      }),
    );
}
