import { Option, type Command } from 'commander';
import { readSpan } from '../dates';
import { clock } from '../format';
import { FIELDS } from '../fields';
import { withPages, type PageOptions } from '../paging';
import type { Act } from '../session';
import type { Change } from '../wire';

const SUBJECTS = ['account', 'limit', 'cluster', 'partition', 'rate', 'key', 'unmatched'];

interface Options extends PageOptions {
  subject?: string;
  name?: string;
  by?: string;
  action?: string;
  from?: string;
  to?: string;
  last?: string;
}

export function defineChanges(parent: Command, act: Act): void {
  withPages(
    parent
      .command('changes')
      .summary('Who changed what, and when')
      .description(
        'Who changed accounts, limits, clusters, partitions, rates and keys, when, and from what to what; the newest first. Money that moves is in `bursar transactions list`.',
      )
      .addOption(new Option('--subject <subject>', 'changes of these').choices(SUBJECTS))
      .option('--name <name>', 'of the account, cluster or key of this name')
      .option('--by <name>', 'made by the key of this name; local: on the machine of the server')
      .option('--action <action>', 'of this kind, like update_account')
      .option('--from <time>', 'since this day or time')
      .option('--to <time>', 'until this day (included) or time')
      .addOption(new Option('--last <span>', 'in the last hours, days or weeks: 12h, 30d, 4w').conflicts('from')),
  )
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar changes --last 7d\n  $ bursar changes --subject account --name climate\n  $ bursar changes --by rkaur --all --json\n\nDays are read in UTC.\n',
    )
    .action(
      act(async (session, options: Options) => {
        await session.list<Change>(
          '/api/v1/changes',
          {
            subject: options.subject,
            name: options.name,
            actor: options.by,
            action: options.action,
            ...readSpan(options, session.io.now()),
          },
          options,
          () => [
            { title: 'WHEN (UTC)', value: (row) => clock(row.at, 'UTC') },
            { title: 'WHO', value: (row) => row.actor, shrinksTo: 8 },
            { title: 'DID', value: (row) => row.action },
            { title: 'TO', value: (row) => row.name, shrinksTo: 8 },
            { title: 'CHANGED', value: differences, shrinksTo: 20 },
          ],
          'No changes found.',
          FIELDS.change,
        );
      }),
    );
}

/** Each setting that differs, as it was and as it is. */
function differences({ before, after }: Change): string {
  const names = new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})]);
  return [...names]
    .map((name) => ({ name, was: shown(before?.[name]), is: shown(after?.[name]) }))
    .filter(({ was, is }) => was !== is)
    .map(({ name, was, is }) => (was === '' ? `${name}: ${is}` : `${name}: ${was} -> ${is === '' ? 'none' : is}`))
    .join(', ');
}

const shown = (value: unknown): string =>
  value === undefined || value === null ? '' : typeof value === 'string' ? value : JSON.stringify(value);
