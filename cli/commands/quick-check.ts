/** `bursar quick-check`, `bursar remaining`: one line each, for who stands at a prompt. */
import type { Command } from 'commander';
import { path } from '../client';
import { EXIT, Stop } from '../exit';
import { FIELDS } from '../fields';
import { sizeOf, withSize, type SizeOptions } from '../job-size';
import type { Act } from '../session';
import { required, standingAccount, standingPartition } from '../standing';
import type { Account, Decision } from '../wire';

interface QuickOptions extends SizeOptions {
  account?: string;
  partition?: string;
  time: string;
  cluster?: string;
}

export function defineQuickCheck(parent: Command, act: Act): void {
  withSize(
    parent
      .command('quick-check')
      .summary('May a job of this size start, in one line?')
      .description(
        'Say in one line whether a job of this size may start and what it would cost. It holds nothing and leaves no trace. BURSAR_ACCOUNT and BURSAR_DEFAULT_PARTITION (or ASBB_…) say what is not given.',
      )
      .requiredOption('--time <limit>', 'wall time, as Slurm takes it: 90, 04:00:00, 1-12:00:00'),
  )
    .option('--account <account>', 'account to be charged (BURSAR_ACCOUNT)')
    .option('--partition <partition>', 'partition to run in (BURSAR_DEFAULT_PARTITION)')
    .option('--cluster <cluster>', "cluster (default: the server's)")
    .addHelpText(
      'after',
      `
Examples:
  $ export BURSAR_ACCOUNT=climate BURSAR_DEFAULT_PARTITION=cpu
  $ bursar quick-check --nodes 2 --cpus 64 --time 04:00:00
  $ bursar quick-check --nodes 2 --cpus 64 --time 04:00:00 && sbatch job.sh

A no goes to stderr with its reason, and the command ends with 3. \`bursar check\` knows more.
`,
    )
    .action(
      act(async (session, options: QuickOptions) => {
        const [account, partition] = required(
          [standingAccount(session, options.account), 'the account (--account or BURSAR_ACCOUNT)'],
          [standingPartition(session, options.partition), 'the partition (--partition or BURSAR_DEFAULT_PARTITION)'],
        );
        const decision = await session.client.post<Decision>('/api/v1/budget/estimate', {
          account,
          partition,
          ...sizeOf(options),
          wall_time: options.time,
          cluster: options.cluster,
        });
        const shown = (amount: number) => session.amount(amount, decision.unit);
        session.answer(
          decision,
          () => {
            if (!decision.available) return;
            session.say(
              `${session.paint('green', 'Yes')}: it would cost ${shown(decision.estimated_cost)}; ${shown(decision.hold_amount)} would be held, and ${shown(decision.budget_remaining)} of ${decision.account} remain.`,
            );
          },
          FIELDS.decision,
        );
        if (!decision.available) throw new Stop(EXIT.denied, decision.message);
      }),
    );
}

export function defineRemaining(parent: Command, act: Act): void {
  parent
    .command('remaining')
    .summary('What an account has left, and nothing else')
    .description(
      'Print what an account has left, for scripts that are run at login. BURSAR_ACCOUNT names it otherwise.',
    )
    .argument('[account]', 'account name (BURSAR_ACCOUNT)')
    .addHelpText(
      'after',
      `
Examples:
  $ bursar remaining climate
  $ BURSAR_ACCOUNT=climate bursar remaining
  $ bursar remaining climate --json | jq .budget_available

\`bursar account balance\` says where the money is.
`,
    )
    .action(
      act(async (session, given: string | undefined) => {
        const [name] = required([
          standingAccount(session, given),
          'the account (as an argument, or in BURSAR_ACCOUNT)',
        ]);
        const account = await session.client.get<Account>(path`/api/v1/accounts/${name}`);
        session.answer(
          account,
          () => session.line(session.amount(account.budget_available, account.unit)),
          FIELDS.account,
        );
      }),
    );
}
