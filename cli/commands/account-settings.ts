/** account create, account update. */
import { Option, type Command } from 'commander';
import { EXHAUSTION_POLICIES, REQUEUE_POLICIES } from '../../domain/policy';
import { asbbCreated } from '../asbb';
import { path } from '../client';
import { readTime } from '../dates';
import { EXIT, Stop } from '../exit';
import { KEY_OPTION, keyOf } from '../keys';
import { FIELDS } from '../fields';
import type { Act } from '../session';
import type { Account } from '../wire';
import { showAccount } from './account';

interface Settings {
  name?: string;
  description?: string;
  budget?: string;
  start?: string;
  end?: string;
  timeZone?: string;
  parent?: string;
  subtreeLimit?: string;
  onExhaustion?: string;
  overdraftLimit?: string;
  onRequeueShortfall?: string;
  holdMultiplier?: string;
  status?: string;
}

const withSettings = (command: Command): Command =>
  command
    .option('--name <title>', 'a title for people')
    .option('--description <text>', 'what it is for')
    .option('--budget <amount>', "its money, in the account's unit")
    .option('--start <date>', 'first day')
    .option('--end <date>', 'last day, included')
    .option('--time-zone <zone>', "IANA zone in which its days begin (default: this machine's; of `asbb`, UTC)")
    .option('--parent <account>', 'account above, which limits this one')
    .option('--subtree-limit <amount>', 'cap on this account and all below it together')
    .addOption(new Option('--on-exhaustion <what>', 'when the money is out').choices(EXHAUSTION_POLICIES))
    .option('--overdraft-limit <amount>', 'how far an overdraft may go')
    .addOption(
      new Option('--on-requeue-shortfall <what>', 'when a requeued job cannot be held in full again').choices(
        REQUEUE_POLICIES,
      ),
    )
    .option('--hold-multiplier <factor>', "1.2 holds 120 % of an estimate (default: the cluster's)");

const bodyOf = (options: Settings, zone: string) => ({
  name: options.name,
  description: options.description,
  budget_limit: options.budget,
  start_date: options.start && readTime('--start', options.start, zone, 'first'),
  end_date: options.end && readTime('--end', options.end, zone, 'last'),
  time_zone: options.timeZone,
  parent: options.parent,
  subtree_limit: options.subtreeLimit,
  on_exhaustion: options.onExhaustion,
  overdraft_limit: options.overdraftLimit,
  on_requeue_shortfall: options.onRequeueShortfall,
  hold_multiplier: options.holdMultiplier,
  status: options.status,
});

export function defineCreate(account: Command, act: Act): void {
  const command = account
    .command('create')
    .summary('Create an account')
    .description(
      'Create an account. Its name is what the scheduler calls it (sbatch --account). The unit is for ever: a currency like USD, or a service unit like SU.',
    );
  withSettings(command.argument('[account]', 'account name'))
    .addOption(new Option('--account <account>', 'the same, as asbb has it').hideHelp())
    .option('--unit <unit>', 'USD, EUR, SU, ... (default USD)')
    .option(...KEY_OPTION)
    .addHelpText(
      'after',
      `
Examples:
  $ bursar account create climate --name "Climate ML" --budget 1000 --start 2026-01-01 --end 2026-12-31
  $ bursar account create lab --name "Lab" --unit SU --start 2026-01-01 --end 2026-12-31 --time-zone Europe/Berlin
  $ bursar account create lab-gpu --name "Lab GPUs" --unit SU --parent lab --budget 5000 --start 2026-01-01 --end 2026-12-31
`,
    )
    .action(
      act(
        async (
          session,
          given: string | undefined,
          options: Settings & { account?: string; unit?: string; key?: string },
        ) => {
          const name = given ?? options.account;
          const missing = [
            ...(name === undefined ? ['<account>'] : []),
            ...(options.name === undefined ? ['--name'] : []),
            ...(options.start === undefined ? ['--start'] : []),
            ...(options.end === undefined ? ['--end'] : []),
          ];
          if (missing.length > 0) {
            throw new Stop(EXIT.usage, `Missing: ${missing.join(', ')}.`, {
              hints: [
                'For example: bursar account create climate --name "Climate ML" --budget 1000 --start 2026-01-01 --end 2026-12-31',
              ],
            });
          }
          const zone =
            options.timeZone ?? (session.isAsbb ? 'UTC' : new Intl.DateTimeFormat().resolvedOptions().timeZone);
          const created = await session.client.post<Account>(
            '/api/v1/accounts',
            {
              slurm_account: name,
              unit: options.unit,
              ...bodyOf({ ...options, timeZone: zone }, zone),
            },
            keyOf(options),
          );
          session.answer(
            created,
            () => {
              if (session.isAsbb) {
                asbbCreated(session, created);
                return;
              }
              session.line(session.paint('green', 'Budget account created.'));
              showAccount(session, created);
            },
            FIELDS.account,
          );
        },
      ),
    );
}

export function defineUpdate(account: Command, act: Act): void {
  const command = account
    .command('update')
    .summary('Change an account')
    .description(
      'Change an account. What is not named stays as it is. A new budget deposits or withdraws the difference.',
    );
  withSettings(command.argument('<account>', 'account name'))
    .addOption(new Option('--status <status>', 'let jobs use it, or not').choices(['active', 'inactive', 'suspended']))
    .addHelpText(
      'after',
      `
Examples:
  $ bursar account update climate --budget 1500
  $ bursar account update climate --end 2027-03-31          a no-cost extension
  $ bursar account update climate --status suspended
  $ bursar account update lab-gpu --parent ""               no parent any more
`,
    )
    .action(
      act(async (session, name: string, options: Settings) => {
        if (Object.keys(options).length === 0) {
          throw new Stop(EXIT.usage, 'Nothing to change was named.', {
            hints: ['`bursar account update --help` lists what can be.'],
          });
        }
        const datesGiven = options.start !== undefined || options.end !== undefined;
        const zone =
          options.timeZone ??
          (datesGiven ? (await session.client.get<Account>(path`/api/v1/accounts/${name}`)).time_zone : 'UTC');
        const updated = await session.client.put<Account>(path`/api/v1/accounts/${name}`, bodyOf(options, zone));
        session.answer(
          updated,
          () => {
            session.line(session.paint('green', 'Budget account updated.'));
            showAccount(session, updated);
          },
          FIELDS.account,
        );
      }),
    );
}
