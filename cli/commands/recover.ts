import { Option, type Command } from 'commander';
import { plural } from '../text';
import type { Act, Session } from '../session';
import type { Recovery } from '../wire';

export function defineRecover(parent: Command, act: Act): void {
  parent
    .command('recover')
    .summary('Find holds whose story was lost, and tell it again')
    .description(
      'Ask Temporal about the story of every open hold, and start again those that nobody tells: terminated by hand, or lost with a backup. Bursar looks for late ones by itself; doing it twice does no harm.',
    )
    .option('--limit <n>', 'look at so many open holds, the oldest first (default all)')
    .addOption(new Option('--reconcile-orphaned', 'as asbb has it; always done').hideHelp())
    .addHelpText('after', '\nExamples:\n  $ bursar recover\n  $ bursar recover --limit 10 --json\n')
    .action(
      act(async (session, options: { limit?: string }) => {
        const answer = await recover(session, options.limit);
        session.answer(answer, () => {
          const { restarted, looked_at: lookedAt } = answer;
          if (lookedAt === 0) session.line('Nothing to recover: no hold is open.');
          else if (restarted === 0)
            session.line(`Nothing to recover: ${holds(lookedAt)} looked at, each has its story.`);
          else {
            const stories = plural(restarted, 'story', 'stories');
            session.line(session.paint('green', `${stories} started again, ${holds(lookedAt)} looked at.`));
          }
          if (answer.next !== undefined) session.line('There are more; without --limit all are looked at.');
        });
      }),
    );
}

const holds = (count: number): string => plural(count, 'open hold', 'open holds');

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
      looked_at: all.looked_at + page.looked_at,
    };
    next = page.next;
  }
  return all;
}
