import { Option, type Command } from 'commander';
import { readClusterTime } from '../dates';
import { EXIT, Stop } from '../exit';
import { moneyIn } from '../format';
import { sizeOf, withSize, type SizeOptions } from '../job-size';
import { KEY_OPTION, keyOf } from '../keys';
import { FIELDS } from '../fields';
import type { Act, Session } from '../session';
import { whole } from '../typed';
import type { CheckBody, Decision } from '../wire';

interface CheckOptions extends SizeOptions {
  account: string;
  partition: string;
  gres?: string;
  tres?: string;
  time: string;
  arrayTasks?: string;
  cluster?: string;
  user?: string;
  jobId?: string;
  jobName?: string;
  at?: string;
  hold?: boolean;
  key?: string;
}

function showYes(session: Session, decision: Decision, held: boolean): void {
  const { unit } = decision;
  session.line(session.paint('green', held ? `Held: ${decision.message}` : 'Yes, this job may start.'));
  session.fields([
    ['Account', decision.account],
    ['Cluster', decision.cluster],
    ['Estimated cost', moneyIn(decision.estimated_cost, unit)],
    [held ? 'Held' : 'Would be held', `${moneyIn(decision.hold_amount, unit)} (${decision.details.hold_percentage} x)`],
    ['Available now', moneyIn(decision.details.account_balance, unit)],
    [held ? 'Remaining' : 'Would remain', moneyIn(decision.budget_remaining, unit)],
    ['Transaction', decision.transaction_id],
    ['Note', decision.note],
    ['Answer', decision.replayed ? 'given before to the same key' : undefined],
  ]);
}

function showEstimate(session: Session, { estimate, recommendation, details }: Decision): void {
  if (estimate.lines.length > 0) {
    session.heading(`How the estimate was made (${estimate.method})`);
    for (const line of estimate.lines) session.say(`  ${line}`);
  }
  if (details.advisor) session.say(`  ${details.advisor.detail}`);
  if (recommendation) session.say(`  ${recommendation}`);
}

export function defineCheck(parent: Command, act: Act): void {
  withSize(
    parent
      .command('check')
      .summary('Would this job be allowed, and what would it cost?')
      .description(
        'Ask whether a job may start and what it would cost. Nothing is written unless --hold is given: then the money is held, as the scheduler does it when the job is submitted.',
      )
      .requiredOption('--account <account>', 'account to be charged')
      .requiredOption('--partition <partition>', 'partition to run in')
      .requiredOption('--time <limit>', 'wall time, as Slurm takes it: 90, 04:00:00, 1-12:00:00, UNLIMITED'),
  )
    .option('--gres <gres>', 'like gpu:a100:4')
    .option('--tres <tres>', 'like cpu=16,mem=64G,node=2,gres/gpu:a100=4; wins over the others')
    .option('--array-tasks <n>', 'tasks of a job array')
    .option('--cluster <cluster>', "cluster (default: the server's)")
    .option('--user <user>', 'user, for limits of users')
    .option('--job-id <id>', "the scheduler's id of the job, if there is one")
    .option('--job-name <name>', 'name of the job')
    .option('--at <time>', 'decide as if asked then')
    .option('--hold', 'hold the money')
    .addOption(new Option(...KEY_OPTION))
    .addHelpText(
      'after',
      `
Examples:
  $ bursar check --account climate --partition gpu --nodes 2 --cpus 16 --gpus 4 --time 04:00:00
  $ bursar check --account climate --partition gpu --tres cpu=16,node=2,gres/gpu:a100=4 --time 1-12:00:00 --hold
  $ bursar check --account climate --partition cpu --time 90 || echo "not today"

A no goes to stderr with its reason, and the command ends with 3.
`,
    )
    .action(
      act(async (session, options: CheckOptions) => {
        const at = options.at && readClusterTime('--at', options.at);
        const body: Partial<Record<keyof CheckBody, unknown>> = {
          account: options.account,
          partition: options.partition,
          ...sizeOf(options),
          gres: options.gres,
          tres: options.tres,
          wall_time: options.time,
          array_tasks: whole(options.arrayTasks),
          cluster: options.cluster,
          user_id: options.user,
          job_id: options.jobId,
          job_name: options.jobName,
          at,
        };
        const holds = options.hold ?? false;
        const decision = holds
          ? await session.client.post<Decision>('/api/v1/budget/check', body, keyOf(options))
          : await session.client.post<Decision>('/api/v1/budget/estimate', body);
        session.answer(
          decision,
          () => {
            if (!decision.available) return;
            showYes(session, decision, holds);
            showEstimate(session, decision);
          },
          FIELDS.decision,
        );
        if (!decision.available) {
          throw new Stop(EXIT.denied, decision.message, { hints: decision.note === undefined ? [] : [decision.note] });
        }
      }),
    );
}
