import { Option, type Command } from 'commander';
import {
  COST_SOURCES,
  ENFORCEMENTS,
  FAILURE_POLICIES,
  PRICE_PRESETS,
  REFUND_POLICIES,
  UNPRICED_POLICIES,
  WITHOUT_ACCOUNT,
} from '../../domain/policy';
import { readTimeLimit } from '../../domain/slurm-time';
import { path } from '../client';
import { EXIT, Stop } from '../exit';
import { moneyIn, wallTime } from '../format';
import { KEY_OPTION, keyOf } from '../keys';
import { FIELDS } from '../fields';
import { withPages, type PageOptions } from '../paging';
import type { Act, Session } from '../session';
import { orNull, whole } from '../typed';
import type { Cluster, Partition } from '../wire';

interface Settings {
  timeZone?: string;
  defaultPartition?: string;
  enforcement?: string;
  failurePolicy?: string;
  failureLimit?: string;
  exemptUsers?: string;
  withoutAccount?: string;
  costSource?: string;
  unpriced?: string;
  pricePreset?: string;
  holdMultiplier?: string;
  holdCap?: string;
  minimumCharge?: string;
  endGrace?: string;
  reconciliationTimeout?: string;
  refundNodeFail?: string;
  refundBootFail?: string;
  refundPreempted?: string;
  refundAdminCancel?: string;
  refundLostTime?: string;
}

const withSettings = (command: Command): Command =>
  command
    .option('--time-zone <zone>', 'IANA zone of its clocks, like America/Chicago')
    .option('--default-partition <partition>', 'for jobs that name none; none: there is none')
    .addOption(
      new Option('--enforcement <how>', 'apply what is decided about submissions, or only record it').choices(
        ENFORCEMENTS,
      ),
    )
    .addOption(
      new Option('--failure-policy <policy>', 'what hooks do when Bursar cannot be reached').choices(FAILURE_POLICIES),
    )
    .option('--failure-limit <amount>', 'with open_to_limit: how much an hour; none: no limit is set')
    .option('--exempt-users <users>', 'neither asked about nor charged, like root,slurm; none: nobody is')
    .addOption(new Option('--without-account <policy>', 'submissions that name no account').choices(WITHOUT_ACCOUNT))
    .addOption(
      new Option('--cost-source <source>', 'settle by usage and rates, or wait for a reported cost').choices(
        COST_SOURCES,
      ),
    )
    .addOption(new Option('--unpriced <policy>', 'jobs with a part that has no price').choices(UNPRICED_POLICIES))
    .addOption(new Option('--price-preset <preset>', 'what prices while there are no rates').choices(PRICE_PRESETS))
    .option('--hold-multiplier <factor>', '1.2 holds 120 % of an estimate')
    .option('--hold-cap <amount>', 'no hold above this; none: no cap')
    .option('--minimum-charge <amount>', 'least that a run costs')
    .option('--end-grace <seconds>', 'how long after its time limit a job may go unheard of')
    .option('--reconciliation-timeout <seconds>', 'how long a cost is waited for')
    .addOption(refundOption('node-fail', 'whose node failed'))
    .addOption(refundOption('boot-fail', 'whose node did not boot'))
    .addOption(refundOption('preempted', 'that was preempted'))
    .addOption(refundOption('admin-cancel', 'that somebody else than its user cancelled'))
    .option('--refund-lost-time <limit>', 'what lost_time gives back at most, as Slurm writes it: 01:00:00');

const refundOption = (reason: string, runs: string): Option =>
  new Option(`--refund-${reason} <policy>`, `what a run gets back ${runs}`).choices(REFUND_POLICIES);

const bodyOf = (options: Settings) => ({
  time_zone: options.timeZone,
  default_partition: orNull(options.defaultPartition),
  enforcement: options.enforcement,
  failure_policy: options.failurePolicy,
  failure_limit: orNull(options.failureLimit),
  exempt_users: listOf(options.exemptUsers),
  without_account: options.withoutAccount,
  cost_source: options.costSource,
  unpriced: options.unpriced,
  price_preset: options.pricePreset,
  hold_multiplier: options.holdMultiplier,
  hold_cap: orNull(options.holdCap),
  minimum_charge: options.minimumCharge,
  end_grace_seconds: whole(options.endGrace),
  reconciliation_timeout_seconds: whole(options.reconciliationTimeout),
  refund_node_fail: options.refundNodeFail,
  refund_boot_fail: options.refundBootFail,
  refund_preempted: options.refundPreempted,
  refund_admin_cancel: options.refundAdminCancel,
  refund_lost_time_seconds: seconds('--refund-lost-time', options.refundLostTime),
});

/** `node failed: whole, preempted: lost time (at most 01:00:00)`; undefined where nothing is given back by itself. */
function refundsOf(cluster: Cluster): string | undefined {
  const policies = [
    ['node failed', cluster.refund_node_fail],
    ['did not boot', cluster.refund_boot_fail],
    ['preempted', cluster.refund_preempted],
    ['cancelled by an administrator', cluster.refund_admin_cancel],
  ] as const;
  const given = policies.filter(([, policy]) => policy !== 'none');
  if (given.length === 0) return undefined;
  const most = ` (at most ${wallTime(cluster.refund_lost_time_seconds)})`;
  return given.map(([why, policy]) => `${why}: ${policy === 'whole' ? 'all' : `lost time${most}`}`).join('; ');
}

/** `root,slurm`; `none` is nobody. */
const listOf = (text: string | undefined): string[] | undefined =>
  text === 'none' ? [] : text?.split(',').map((user) => user.trim());

const FAILURE = {
  open: 'jobs start unchecked',
  closed: 'jobs are refused',
  open_to_limit: 'jobs start up to a limit',
} as const;

const failure = (
  { failure_policy: policy, failure_limit: limit }: Pick<Partition, 'failure_policy' | 'failure_limit'>,
  unit: string | undefined,
) =>
  policy &&
  (policy === 'open_to_limit' && limit !== undefined
    ? `jobs start up to ${moneyIn(limit, unit)} an hour`
    : FAILURE[policy]);

function showCluster(session: Session, cluster: Cluster): void {
  session.fields([
    ['Cluster', cluster.name],
    ['Time zone', cluster.time_zone],
    ['Default partition', cluster.default_partition],
    ['Decisions', cluster.enforcement === 'shadow' ? 'recorded, not applied (shadow)' : 'applied'],
    ['Bursar away', failure(cluster, cluster.unit)],
    ['Exempt users', cluster.exempt_users.join(', ') || 'none'],
    ['No account', cluster.without_account === 'deny' ? 'job is denied' : 'job is exempt'],
    ['Settles by', cluster.cost_source === 'usage' ? 'usage and rates' : 'reported cost'],
    ['No price', cluster.unpriced === 'deny' ? 'job is denied' : 'job runs, its cost is quarantined'],
    ['Without rates', cluster.price_preset === 'none' ? 'nothing is priced' : cluster.price_preset],
    [
      'Holds',
      `${cluster.hold_multiplier} x the estimate${cluster.hold_cap === undefined ? '' : `, at most ${moneyIn(cluster.hold_cap, cluster.unit)}`}`,
    ],
    ['Minimum charge', cluster.minimum_charge === 0 ? undefined : moneyIn(cluster.minimum_charge, cluster.unit)],
    ['End grace', wallTime(cluster.end_grace_seconds)],
    ['Waits for cost', wallTime(cluster.reconciliation_timeout_seconds)],
    ['Refunds', refundsOf(cluster)],
  ]);
  session.heading('Partitions');
  if (cluster.partitions.length === 0)
    session.say('None are set: every partition name is accepted, with weight 1 and no time limit.');
  else showPartitions(session, cluster.partitions, cluster.unit);
}

const showPartitions = (session: Session, partitions: readonly Partition[], unit?: string): void =>
  session.table(partitions, [
    { title: 'PARTITION', value: (partition) => partition.name },
    { title: 'MAX TIME', value: (partition) => wallTime(partition.max_time_seconds), align: 'right' },
    { title: 'DEFAULT TIME', value: (partition) => wallTime(partition.default_time_seconds), align: 'right' },
    { title: 'WEIGHT', value: (partition) => String(partition.queue_weight), align: 'right' },
    { title: 'SETTLES BY', value: (partition) => partition.cost_source },
    { title: 'BURSAR AWAY', value: (partition) => failure(partition, unit) },
    { title: 'EXEMPT', value: (partition) => (partition.exempt ? 'yes' : undefined) },
  ]);

export function defineCluster(parent: Command, act: Act): void {
  const cluster = parent
    .command('cluster')
    .summary('Clusters and their partitions')
    .description('Clusters: where jobs run, in which time zone, and how they are priced and held.')
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar cluster list\n  $ bursar cluster set mycluster --time-zone America/Chicago\n  $ bursar cluster partition mycluster gpu --max-time 2-00:00:00 --weight 1.5\n',
    );

  withPages(cluster.command('list').summary('List clusters').description('List clusters.'))
    .addHelpText('after', '\nExamples:\n  $ bursar cluster list\n')
    .action(
      act(async (session, options: PageOptions) => {
        const clusters = await session.client.get<Cluster[]>('/api/v1/clusters');
        session.page(
          clusters,
          options,
          (shown) =>
            session.table(shown, [
              { title: 'CLUSTER', value: (row) => row.name },
              { title: 'TIME ZONE', value: (row) => row.time_zone },
              {
                title: 'PARTITIONS',
                value: (row) => row.partitions.map(({ name }) => name).join(', ') || undefined,
                shrinksTo: 10,
              },
              { title: 'SETTLES BY', value: (row) => row.cost_source },
              { title: 'HOLDS', value: (row) => `${row.hold_multiplier} x`, align: 'right' },
              { title: 'BURSAR AWAY', value: (row) => failure(row, row.unit), optional: 1 },
              { title: 'DECISIONS', value: (row) => row.enforcement, optional: 2 },
            ]),
          'No clusters yet. `bursar cluster create NAME --time-zone ZONE` makes one.',
          FIELDS.cluster,
        );
      }),
    );

  cluster
    .command('show')
    .summary('Show a cluster and its partitions')
    .description('Show a cluster and its partitions.')
    .argument('<cluster>', 'cluster name')
    .addHelpText('after', '\nExamples:\n  $ bursar cluster show mycluster\n')
    .action(
      act(async (session, name: string) => {
        const found = await session.client.get<Cluster>(path`/api/v1/clusters/${name}`);
        session.answer(found, () => showCluster(session, found), FIELDS.cluster);
      }),
    );

  withSettings(
    cluster
      .command('create')
      .summary('Make a cluster known')
      .description('Make a cluster known. Its time zone is the one its logs are written in.')
      .argument('<cluster>', 'cluster name'),
  )
    .option(...KEY_OPTION)
    .addHelpText('after', '\nExamples:\n  $ bursar cluster create mycluster --time-zone America/Chicago\n')
    .action(
      act(async (session, name: string, options: Settings & { key?: string }) => {
        const created = await session.client.post<Cluster>(
          '/api/v1/clusters',
          {
            name,
            ...bodyOf({
              ...options,
              timeZone: options.timeZone ?? new Intl.DateTimeFormat().resolvedOptions().timeZone,
            }),
          },
          keyOf(options),
        );
        session.answer(
          created,
          () => {
            session.line(session.paint('green', 'Cluster created.'));
            showCluster(session, created);
          },
          FIELDS.cluster,
        );
      }),
    );

  withSettings(
    cluster
      .command('set')
      .summary('Change a cluster')
      .description('Change a cluster, or make it known. What is not named stays as it is.')
      .argument('<cluster>', 'cluster name'),
  )
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar cluster set mycluster --hold-multiplier 1.1 --failure-policy open\n  $ bursar cluster set mycluster --enforcement shadow\n  $ bursar cluster set mycluster --refund-node-fail whole --refund-preempted lost_time\n  $ bursar cluster set mycluster --failure-policy open_to_limit --failure-limit 250\n',
    )
    .action(
      act(async (session, name: string, options: Settings) => {
        if (Object.keys(options).length === 0) {
          throw new Stop(EXIT.usage, 'Nothing to change was named.', {
            hints: ['`bursar cluster set --help` lists what can be.'],
          });
        }
        const changed = await session.client.put<Cluster>(path`/api/v1/clusters/${name}`, bodyOf(options));
        session.answer(
          changed,
          () => {
            session.line(session.paint('green', 'Cluster set.'));
            showCluster(session, changed);
          },
          FIELDS.cluster,
        );
      }),
    );

  cluster
    .command('partition')
    .summary('Set or remove a partition')
    .description('Set a partition as it shall be (what is not named is unset), or remove it.')
    .argument('<cluster>', 'cluster name')
    .argument('<partition>', 'partition name')
    .option('--max-time <limit>', 'what UNLIMITED means here, as Slurm writes it: 2-00:00:00')
    .option('--default-time <limit>', 'for jobs that say nothing')
    .option('--weight <factor>', 'multiplies costs (default 1)')
    .addOption(new Option('--cost-source <source>', "in place of the cluster's").choices(COST_SOURCES))
    .addOption(new Option('--failure-policy <policy>', "in place of the cluster's").choices(FAILURE_POLICIES))
    .option('--failure-limit <amount>', "with open_to_limit: how much an hour, in place of the cluster's")
    .option('--exempt', 'jobs here are neither asked about nor charged')
    .option('--remove', 'remove it')
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar cluster partition mycluster gpu --max-time 2-00:00:00 --weight 1.5\n  $ bursar cluster partition mycluster old --remove\n',
    )
    .action(
      act(
        async (
          session,
          name: string,
          partition: string,
          options: {
            maxTime?: string;
            defaultTime?: string;
            weight?: string;
            costSource?: string;
            failurePolicy?: string;
            failureLimit?: string;
            exempt?: boolean;
            remove?: boolean;
          },
        ) => {
          const address = path`/api/v1/clusters/${name}/partitions/${partition}`;
          if (options.remove) {
            await session.client.delete(address);
            session.answer({ cluster: name, partition, removed: true }, () =>
              session.line(session.paint('green', 'Partition removed.')),
            );
            return;
          }
          const set = await session.client.put<Partition>(address, {
            max_time_seconds: seconds('--max-time', options.maxTime),
            default_time_seconds: seconds('--default-time', options.defaultTime),
            queue_weight: options.weight,
            cost_source: options.costSource,
            failure_policy: options.failurePolicy,
            failure_limit: options.failureLimit,
            exempt: options.exempt,
          });
          session.answer(
            set,
            () => {
              session.line(session.paint('green', 'Partition set.'));
              showPartitions(session, [set]);
            },
            FIELDS.partition,
          );
        },
      ),
    );
}

/** Slurm's own grammar, so that a limit can be copied from slurm.conf. */
function seconds(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  try {
    return readTimeLimit(text).wallSeconds;
  } catch (error) {
    throw new Stop(EXIT.usage, `${option}: ${error instanceof Error ? error.message : text}.`);
  }
}
