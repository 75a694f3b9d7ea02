import { Option, type Command } from 'commander';
import { SCOPES } from '../../domain/scope';
import { path, type Client } from '../client';
import { readTime } from '../dates';
import { clock } from '../format';
import { FIELDS } from '../fields';
import { withOwnApi } from '../own-api';
import { withPages, type PageOptions } from '../paging';
import type { Act } from '../session';
import type { ApiKey, CreatedKey } from '../wire';
import { defineKeySign } from './key-sign';

interface NewKey {
  scope: string;
  cluster?: string;
  expires?: string;
  first?: boolean;
}

export function defineKey(parent: Command, act: Act): void {
  const key = parent
    .command('key')
    .summary('API keys: who may ask')
    .description(
      'API keys: who may ask the server, and for what. Transactions and changes call a caller by the name of his key. From the first admin key on every request needs one, but for the command on the machine of the server.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar key create rkaur --scope admin\n  $ bursar key create eagle-hook --scope hook --cluster eagle\n  $ bursar key list\n  $ bursar key revoke eagle-hook\n',
    );
  defineKeySign(key, act);

  key
    .command('create')
    .summary('Make a key')
    .description('Make a key, and show it: this once and never again.')
    .argument('<name>', 'who will send it')
    .addOption(
      new Option(
        '--scope <scope>',
        'admin: everything; hook: check, estimate, reconcile and events of one cluster; estimate: ask what a job would cost; read: look at everything but keys',
      )
        .choices(SCOPES)
        .makeOptionMandatory(),
    )
    .option('--cluster <cluster>', 'the cluster of a hook')
    .option('--expires <time>', 'not good any more from this time on, in UTC unless it says its zone (default: never)')
    .option(
      '--first',
      'make it without a server, on the database of the configuration: the first key of a site, or one more when all are lost',
    )
    .addHelpText(
      'after',
      `
Examples:
  $ bursar key create eagle-hook --scope hook --cluster eagle
  $ bursar key create grafana --scope read --expires 2027-01-01
  $ DATABASE_URL=postgres://bursar@db.example.org/bursar bursar key create rkaur --scope admin --first
  $ (umask 077; bursar key create me --scope admin --json | jq -r .key > ~/.bursar-key)
`,
    )
    .action(
      act(async (session, name: string, options: NewKey) => {
        const create = (client: Client) =>
          client.post<CreatedKey>('/api/v1/keys', {
            name,
            scope: options.scope,
            cluster: options.cluster,
            expires_at: options.expires && readTime('--expires', options.expires, 'UTC', 'first'),
          });
        const made = options.first ? await withOwnApi(session, create) : await create(session.client);
        session.answer(
          made,
          () => {
            session.line(session.paint('green', 'Key made. Keep it now: it is not shown again.'));
            session.fields([
              ['Key', made.key],
              ['Name', made.name],
              ['Scope', made.scope],
              ['Cluster', made.cluster],
              ['Expires (UTC)', clock(made.expires_at, 'UTC') ?? 'never'],
            ]);
          },
          FIELDS.createdKey,
        );
      }),
    );

  withPages(key.command('list').summary('List the keys').description('List the keys, without their secrets.'))
    .addHelpText('after', '\nExamples:\n  $ bursar key list\n  $ bursar key list --json\n')
    .action(
      act(async (session, options: PageOptions) => {
        await session.list<ApiKey>(
          '/api/v1/keys',
          {},
          options,
          () => [
            { title: 'NAME', value: (row) => row.name, shrinksTo: 10 },
            { title: 'ID', value: (row) => row.key_id, optional: 2 },
            {
              title: 'SCOPE',
              value: (row) => (row.cluster === undefined ? row.scope : `${row.scope} of ${row.cluster}`),
            },
            { title: 'STATUS', value: (row) => row.status },
            { title: 'LAST USED (UTC)', value: (row) => clock(row.last_used_at, 'UTC') ?? 'never' },
            { title: 'EXPIRES (UTC)', value: (row) => clock(row.expires_at, 'UTC') ?? 'never', optional: 1 },
            { title: 'MADE BY', value: (row) => row.created_by, optional: 3 },
          ],
          'There are no keys: the server answers to its own machine only, and to everybody there.',
          FIELDS.key,
        );
      }),
    );

  key
    .command('revoke')
    .summary('Revoke a key')
    .description('Revoke a key, for ever. Every process of the server refuses it within five seconds.')
    .argument('<key>', 'its name or its id')
    .addHelpText('after', '\nExamples:\n  $ bursar key revoke eagle-hook\n  $ bursar key revoke 5f0c1d2e3a4b\n')
    .action(
      act(async (session, named: string) => {
        await session.client.delete(path`/api/v1/keys/${named}`);
        session.answer({ key: named, revoked: true }, () => session.line(session.paint('green', 'Key revoked.')));
      }),
    );
}
