import type { Command } from 'commander';
import { FIELDS } from '../fields';
import { moneyIn } from '../format';
import { plural } from '../text';
import type { Act, Session } from '../session';
import type { Hold, Recovery } from '../wire';

export function defineRecover(parent: Command, act: Act): void {
  parent
    .command('recover')
    .summary('Find holds whose story was lost, and tell it again')
    .description(
      'Ask Temporal about the story of every open hold. One that nobody tells any more is started again; one that is out of step with the ledger, as after a restore, is told to look at it. Bursar does this by itself when they are late; doing it twice does no harm.',
    )
    .option('--limit <n>', 'look at so many open holds, the oldest first (default all)')
    .option('--reconcile-orphaned', 'also name the holds of which nobody can say what became of the job')
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar recover\n  $ bursar recover --reconcile-orphaned\n  $ bursar recover --limit 10 --json\n',
    )
    .action(
      act(async (session, options: { limit?: string; reconcileOrphaned?: boolean }) => {
        const answer = await recover(session, options.limit);
        const overdue = options.reconcileOrphaned ? await overdueHolds(session) : undefined;
        session.answer(
          { ...answer, ...(overdue && { overdue }) },
          () => {
            const { restarted, rung, looked_at: lookedAt } = answer;
            if (rung > 0) {
              session.line(
                `${plural(rung, 'story', 'stories')} out of step with the ledger, told to look at it again.`,
              );
            }
            if (lookedAt === 0 && rung === 0) session.line('Nothing to recover: no hold is open.');
            else if (restarted === 0 && rung === 0)
              session.line(`Nothing to recover: ${holds(lookedAt)} looked at, each has its story.`);
            else if (restarted > 0) {
              const stories = plural(restarted, 'story', 'stories');
              session.line(session.paint('green', `${stories} started again, ${holds(lookedAt)} looked at.`));
            }
            if (answer.next !== undefined) session.line('There are more; without --limit all are looked at.');
            if (overdue) showOverdue(session, overdue);
          },
          FIELDS.recovery,
        );
      }),
    );
}

const holds = (count: number): string => plural(count, 'open hold', 'open holds');

/** Their stories are told, and wait for a scheduler or a person to say how the job ended. */
const overdueHolds = async ({ client }: Session): Promise<Hold[]> =>
  (await client.list<Hold>('/api/v1/holds', { overdue: true, status: 'open' }, undefined)).rows;

function showOverdue(session: Session, overdue: readonly Hold[]): void {
  if (overdue.length === 0) {
    session.line('Of every open hold it is known how its job stands, or that it has time yet.');
    return;
  }
  session.heading('Nobody can say what became of these jobs');
  session.table(overdue, [
    { title: 'HOLD', value: (hold) => hold.transaction_id },
    { title: 'JOB', value: (hold) => hold.job_id && `${hold.cluster}/${hold.job_id}` },
    { title: 'HELD', value: (hold) => moneyIn(hold.held, hold.unit), align: 'right' },
  ]);
  session.say(
    '`bursar job event CLUSTER/ID ended` says that one has ended, `bursar reconcile` what it cost, and `bursar hold release` that it never ran.',
  );
}

/** Page by page, unless the caller wants so many and no more. */
async function recover({ client }: Session, limit: string | undefined): Promise<Recovery> {
  const ask = (body: { limit?: string; after?: string }) => client.post<Recovery>('/api/v1/recover', body);
  if (limit !== undefined) return ask({ limit });
  let all = await ask({});
  for (let { next } = all; next !== undefined;) {
    const page = await ask({ after: next });
    all = {
      restarted: all.restarted + page.restarted,
      transaction_ids: [...all.transaction_ids, ...page.transaction_ids],
      rung: all.rung + page.rung,
      looked_at: all.looked_at + page.looked_at,
    };
    next = page.next;
  }
  return all;
}
