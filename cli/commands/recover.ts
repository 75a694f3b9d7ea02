import { Option, type Command } from 'commander';
import { plural } from '../text';
import type { Act } from '../session';
import type { Recovery } from '../wire';

export function defineRecover(parent: Command, act: Act): void {
  parent
    .command('recover')
    .summary('Find holds whose story was lost, and tell it again')
    .description(
      'Find open holds that are past their time and have no workflow that follows them, and start it again. Bursar does this by itself now and then; doing it twice does no harm.',
    )
    .option('--limit <n>', 'at most so many (default 1000)')
    .addOption(new Option('--reconcile-orphaned', 'as asbb has it; always done').hideHelp())
    .addHelpText('after', '\nExamples:\n  $ bursar recover\n  $ bursar recover --limit 10 --json\n')
    .action(
      act(async (session, options: { limit?: string }) => {
        const answer = await session.client.post<Recovery>(
          '/api/v1/recover',
          options.limit === undefined ? {} : { limit: options.limit },
        );
        session.answer(answer, () => {
          if (answer.restarted === 0) session.line('Nothing to recover: every open hold has its story.');
          else session.line(session.paint('green', `${plural(answer.restarted, 'story', 'stories')} started again.`));
        });
      }),
    );
}
