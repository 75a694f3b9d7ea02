import { Option, type Command } from 'commander';
import { EXIT, Stop } from '../exit';
import { money } from '../format';
import { KEY_OPTION, keyOf } from '../keys';
import { FIELDS } from '../fields';
import type { Act } from '../session';
import type { Reconciliation } from '../wire';

interface ReconcileOptions {
  actualCost?: string;
  transaction?: string;
  cluster?: string;
  metadata?: string;
  correction?: boolean;
  key?: string;
}

export function defineReconcile(parent: Command, act: Act): void {
  parent
    .command('reconcile')
    .summary("Report a job's real cost")
    .description(
      "Report a job's real cost: it is charged, and the rest of the hold goes back. The same cost again changes nothing; another one is refused unless it is meant as a correction. A job without a hold keeps its cost waiting (`bursar unmatched`).",
    )
    .argument('[job-id]', "the scheduler's id; not needed with --transaction")
    .addOption(new Option('--actual-cost <amount>', "cost in the account's unit").makeOptionMandatory())
    .option('--transaction <id>', 'transaction id of the hold')
    .option('--cluster <cluster>', "cluster of the job (default: the server's)")
    .option('--metadata <json>', 'anything worth keeping, as JSON')
    .option('--correction', 'replace a cost that was reported before')
    .option(...KEY_OPTION)
    .addHelpText(
      'after',
      `
Examples:
  $ bursar reconcile 88123 --actual-cost 37.25
  $ bursar reconcile --transaction txn_01JDABCDEFGHJKMNPQRSTVWXYZ --actual-cost 37.25
  $ bursar reconcile 88123 --actual-cost 36.10 --correction
`,
    )
    .action(
      act(async (session, jobId: string | undefined, options: ReconcileOptions) => {
        if (jobId === undefined && options.transaction === undefined) {
          throw new Stop(EXIT.usage, 'Which job? Give its id, or --transaction with the id of its hold.');
        }
        const answer = await session.client.post<Reconciliation>(
          '/api/v1/budget/reconcile',
          {
            job_id: jobId,
            actual_cost: options.actualCost,
            transaction_id: options.transaction,
            cluster: options.cluster,
            job_metadata: options.metadata,
            correction: options.correction,
          },
          keyOf(options),
        );
        session.answer(
          answer,
          () => {
            if (answer.status === 'waiting') {
              session.say(session.paint('yellow', `${answer.message}.`));
              session.say(
                `\`bursar unmatched resolve ${answer.unmatched_id}\` names the hold, \`dismiss\` drops the cost.`,
              );
              return;
            }
            session.line(session.paint('green', answer.message));
            session.fields([
              ['Hold', answer.transaction_id],
              ['Unit', answer.unit],
              ['Original hold', money(answer.original_hold)],
              ['Charged', money(answer.actual_charge)],
              ['Given back', money(answer.refund_amount)],
              ['Beyond the hold', answer.additional_charge === 0 ? undefined : money(answer.additional_charge)],
              ['Answer', answer.replayed ? 'given before; nothing changed' : undefined],
            ]);
          },
          FIELDS.reconciliation,
        );
      }),
    );
}
