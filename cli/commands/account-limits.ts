/** account set-limit, limits, policy: what an account may not do. */
import { Option, type Command } from 'commander';
import { EXHAUSTION_POLICIES, REQUEUE_POLICIES } from '../../domain/policy';
import { path } from '../client';
import { readTime } from '../dates';
import { EXIT, Stop } from '../exit';
import { moneyIn } from '../format';
import { FIELDS } from '../fields';
import { withPages, type PageOptions } from '../paging';
import type { Act } from '../session';
import { orNull } from '../typed';
import type { Account, Limit, Policy } from '../wire';
import { limitColumns } from './account-money';

interface LimitOptions {
  partition?: string;
  user?: string;
  limit?: string;
  opens?: string;
  closes?: string;
  remove?: boolean;
}

const addressOf = (name: string, { partition, user }: LimitOptions) =>
  user === undefined
    ? { address: path`/api/v1/accounts/${name}/partition-limits/${partition ?? ''}`, query: '' }
    : {
        address: path`/api/v1/accounts/${name}/user-limits/${user}`,
        query: partition === undefined ? '' : `?partition=${encodeURIComponent(partition)}`,
      };

export function defineSetLimit(account: Command, act: Act): void {
  account
    .command('set-limit')
    .summary('Cap a partition or a user within an account')
    .description(
      "Cap what a partition, a user, or a user in a partition may use of an account: settled and held together, over the account's window or one of its own.",
    )
    .argument('<account>', 'account name')
    .option('--partition <partition>', 'of this partition')
    .option('--user <user>', "of this user; '*' caps each user who has no cap of his own")
    .option('--limit <amount>', "the cap, in the account's unit")
    .option('--opens <date>', 'counts from this day')
    .option('--closes <date>', 'counts until this day, included')
    .option('--remove', 'take the cap away')
    .addHelpText(
      'after',
      `
Examples:
  $ bursar account set-limit climate --partition gpu --limit 300
  $ bursar account set-limit climate --user '*' --limit 50
  $ bursar account set-limit climate --user rkaur --partition gpu --remove
`,
    )
    .action(
      act(async (session, name: string, options: LimitOptions) => {
        if (options.partition === undefined && options.user === undefined) {
          throw new Stop(EXIT.usage, 'What is to be capped? Give --partition, --user or both.');
        }
        if ((options.limit === undefined) !== (options.remove ?? false)) {
          throw new Stop(EXIT.usage, 'Give either --limit or --remove.');
        }
        const { address, query } = addressOf(name, options);
        if (options.remove) {
          await session.client.delete(address + query);
          session.answer({ account: name, removed: true }, () =>
            session.line(session.paint('green', 'The cap is gone.')),
          );
          return;
        }
        const dated = options.opens !== undefined || options.closes !== undefined;
        const zone = dated ? (await session.client.get<Account>(path`/api/v1/accounts/${name}`)).time_zone : 'UTC';
        const limit = await session.client.put<Limit>(address + query, {
          limit: options.limit,
          opens_at: options.opens && readTime('--opens', options.opens, zone, 'first'),
          closes_at: options.closes && readTime('--closes', options.closes, zone, 'last'),
        });
        session.answer(
          limit,
          () => {
            session.line(session.paint('green', `Capped, in ${limit.unit}.`));
            session.table([limit], limitColumns);
          },
          FIELDS.limit,
        );
      }),
    );
}

export function defineLimits(account: Command, act: Act): void {
  withPages(
    account
      .command('limits')
      .summary('List the caps of an account')
      .description('List the caps on partitions and users within an account.')
      .argument('<account>', 'account name'),
  )
    .addHelpText('after', '\nExamples:\n  $ bursar account limits climate\n')
    .action(
      act(async (session, name: string, options: PageOptions) => {
        const [partitions, users] = await Promise.all([
          session.client.get<Limit[]>(path`/api/v1/accounts/${name}/partition-limits`),
          session.client.get<Limit[]>(path`/api/v1/accounts/${name}/user-limits`),
        ]);
        const limits = [...partitions, ...users];
        session.page(
          limits,
          options,
          (shown) => {
            session.line(session.paint('bold', `${name}, ${limits[0]?.unit}`));
            session.table(shown, limitColumns);
          },
          `${name} has no caps. \`bursar account set-limit ${name} --partition PARTITION --limit AMOUNT\` makes one.`,
          FIELDS.limit,
        );
      }),
    );
}

interface PolicyOptions {
  onExhaustion?: string;
  overdraftLimit?: string;
  onRequeueShortfall?: string;
  holdMultiplier?: string;
  parent?: string;
  subtreeLimit?: string;
}

export function definePolicy(account: Command, act: Act): void {
  account
    .command('policy')
    .summary('What happens when the money runs out; parent; multiplier')
    .description('Show what an account does when its money runs out, or change it by naming a setting.')
    .argument('<account>', 'account name')
    .addOption(
      new Option('--on-exhaustion <what>', 'refuse, or hold on as far as the overdraft goes').choices(
        EXHAUSTION_POLICIES,
      ),
    )
    .option('--overdraft-limit <amount>', 'how far an overdraft may go')
    .addOption(
      new Option('--on-requeue-shortfall <what>', 'when a requeued job cannot be held in full again').choices(
        REQUEUE_POLICIES,
      ),
    )
    .option('--hold-multiplier <factor>', "1.2 holds 120 % of an estimate; none: the cluster's")
    .option('--parent <account>', 'account above, which limits this one; none: no parent')
    .option('--subtree-limit <amount>', 'cap on this account and all below it together; none: no cap')
    .addHelpText(
      'after',
      `
Examples:
  $ bursar account policy climate
  $ bursar account policy climate --on-exhaustion overdraft --overdraft-limit 100
  $ bursar account policy lab-gpu --parent none
`,
    )
    .action(
      act(async (session, name: string, options: PolicyOptions) => {
        const address = path`/api/v1/accounts/${name}/policy`;
        const changes = {
          on_exhaustion: options.onExhaustion,
          overdraft_limit: options.overdraftLimit,
          on_requeue_shortfall: options.onRequeueShortfall,
          hold_multiplier: orNull(options.holdMultiplier),
          parent: orNull(options.parent),
          subtree_limit: orNull(options.subtreeLimit),
        };
        const changed = Object.values(changes).some((value) => value !== undefined);
        const policy = changed
          ? await session.client.put<Policy>(address, changes)
          : await session.client.get<Policy>(address);
        session.answer(
          policy,
          () => {
            if (changed) session.line(session.paint('green', 'Changed.'));
            session.fields([
              ['Account', policy.account],
              [
                'When the money is out',
                policy.on_exhaustion === 'deny'
                  ? 'deny'
                  : `overdraft up to ${moneyIn(policy.overdraft_limit, policy.unit)}`,
              ],
              ['When a requeue falls short', policy.on_requeue_shortfall.replaceAll('_', ' ')],
              ['Hold multiplier', policy.hold_multiplier === null ? "the cluster's" : String(policy.hold_multiplier)],
              ['Parent', policy.parent ?? 'none'],
              [
                'Cap with all below',
                policy.subtree_limit === null ? 'none' : moneyIn(policy.subtree_limit, policy.unit),
              ],
            ]);
          },
          FIELDS.policy,
        );
      }),
    );
}
