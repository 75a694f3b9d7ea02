/** A proposal to begin with: one with a comment for everything that it may say, or the present books. */
import { stringify } from 'yaml';
import { renderDuration } from '../../domain/slurm-time';
import { path, type Client } from '../client';
import type { Account, Cluster, Fund, Limit, Rate } from '../wire';

export const TEMPLATE = `# Budgets, rates and policies to replay a site's history against:
#   bursar replay --proposal this.yaml history.log
# Only what is written here counts; the live books are neither read nor changed.

clusters:
  pinewood:                       # as the log names it
    time_zone: America/Chicago    # days begin in this zone, and times without one are of it
    # default_partition: cpu
    # unpriced: deny              # deny | allow: what admission says to what has no price
    # price_preset: asbb-compat   # asbb-compat | none: the prices while no rate has begun
    # hold_multiplier: 1.2        # 1.2 holds 120 % of the estimate
    # hold_cap: 5000              # no hold is larger
    # minimum_charge: 0
    # exempt_users: [root]        # their jobs are neither asked about nor charged
    # refund_node_fail: none      # none | whole | lost_time; also refund_boot_fail, refund_preempted, refund_admin_cancel
    # refund_lost_time: 1:00:00   # of lost time, what is given back at most
    partitions:                   # those that differ from the rest; jobs may name others
      gpu:
        max_time: 2-00:00:00      # what UNLIMITED means there
        # default_time: 1:00:00   # for jobs that name no time
        # queue_weight: 1         # multiplies the cost
        # exempt: true            # jobs there are neither asked about nor charged
    rates:                        # for an hour of one resource: node, cpu, mem (a GiB), gpu, gpu:<model>
      - { resource: cpu, price: 0.04 }
      - { resource: gpu, price: 0.75 }
      - { resource: 'gpu:a100', price: 1.60, partition: gpu }
      # - { resource: cpu, price: 0.05, start: 2026-07-01 }      # dated; it ends the one before it
      # - { resource: cpu, su_per_unit: 1, unit: SU }            # in service units

accounts:
  physics:                        # a parent limits all below it; its own money is its own jobs'
    name: All of physics
    unit: USD                     # a currency or the name of a service unit; never mixed
    time_zone: America/Chicago
    start: 2026-01-01             # a day is the whole day; a time like 2026-01-01T12:00:00Z does as well
    end: 2026-12-31
    subtree_limit: 40000          # the most that it and everything below it may settle and hold
  optics:
    parent: physics
    time_zone: America/Chicago
    start: 2026-01-01
    end: 2026-12-31
    budget: 10000                 # money for the whole window
    deposits:                     # money with windows of their own
      - { amount: 2500, start: 2026-04-01, end: 2026-06-30, label: second quarter }
    limits:                       # caps on a partition, on a user, on each user ("*"), or on a user in a partition
      - { partition: gpu, limit: 4000 }
      - { user: '*', limit: 1500 }
      # - { user: rkaur, partition: gpu, limit: 800, start: 2026-03-01, end: 2026-03-31 }
    # status: active              # active | inactive | suspended
    # on_exhaustion: deny         # deny | overdraft: when the money is out
    # overdraft_limit: 0
    # on_requeue_shortfall: run_on
    # hold_multiplier: 1.2        # instead of the cluster's
`;

/** The present books as a proposal: every account with all that it was given, none of what it has used. */
export async function proposalOfLive(client: Client): Promise<string> {
  const clusters = await client.get<Cluster[]>('/api/v1/clusters');
  const { rows: rates } = await client.list<Rate>('/api/v1/rates', {}, undefined);
  const { rows: accounts } = await client.list<Account>('/api/v1/accounts', {}, undefined);
  const entries: [string, unknown][] = [];
  for (const account of accounts) {
    const name = account.slurm_account;
    const funds = await client.get<Fund[]>(path`/api/v1/accounts/${name}/funds`);
    const partitions = await client.get<Limit[]>(path`/api/v1/accounts/${name}/partition-limits`);
    const users = await client.get<Limit[]>(path`/api/v1/accounts/${name}/user-limits`);
    entries.push([name, accountEntry(account, funds, [...partitions, ...users])]);
  }
  const proposal = {
    clusters: Object.fromEntries(
      clusters.map((cluster) => [
        cluster.name,
        clusterEntry(
          cluster,
          rates.filter((rate) => rate.cluster === cluster.name),
        ),
      ]),
    ),
    accounts: Object.fromEntries(entries),
  };
  return `# The books as they are: what each account was given, not what it has used.\n${stringify(proposal, { lineWidth: 0 })}`;
}

function clusterEntry(cluster: Cluster, rates: readonly Rate[]) {
  const settings = present({
    time_zone: cluster.time_zone,
    default_partition: cluster.default_partition,
    unpriced: cluster.unpriced,
    price_preset: cluster.price_preset,
    hold_multiplier: cluster.hold_multiplier,
    hold_cap: cluster.hold_cap,
    minimum_charge: cluster.minimum_charge,
    refund_node_fail: cluster.refund_node_fail,
    refund_boot_fail: cluster.refund_boot_fail,
    refund_preempted: cluster.refund_preempted,
    refund_admin_cancel: cluster.refund_admin_cancel,
    refund_lost_time: renderDuration(cluster.refund_lost_time_seconds),
    partitions: Object.fromEntries(
      cluster.partitions.map(({ name, max_time_seconds, default_time_seconds, queue_weight, exempt }) => [
        name,
        present({
          max_time: max_time_seconds === undefined ? undefined : renderDuration(max_time_seconds),
          default_time: default_time_seconds === undefined ? undefined : renderDuration(default_time_seconds),
          queue_weight,
          exempt: exempt || undefined,
        }),
      ]),
    ),
    rates: rates.map((rate) =>
      present({
        resource: rate.resource,
        unit: rate.unit,
        ...(rate.su_per_unit === undefined ? { price: rate.rate } : { su_per_unit: rate.rate }),
        partition: rate.partition,
        start: rate.starts_at,
        end: rate.ends_at ?? undefined,
        source: rate.source,
      }),
    ),
  });
  // Nobody is another thing than what is left out.
  return { ...settings, exempt_users: cluster.exempt_users };
}

function accountEntry(account: Account, funds: readonly Fund[], limits: readonly Limit[]) {
  const base = funds.find(({ source }) => source === 'base');
  const others = funds.filter(({ source, granted }) => source !== 'base' && source !== 'overdraft' && granted > 0);
  return present({
    name: account.name,
    unit: account.unit,
    time_zone: account.time_zone,
    status: account.status === 'expired' ? undefined : account.status,
    start: account.start_date,
    end: account.end_date,
    budget: base?.granted,
    deposits: others.map(({ granted, label, opens_at, closes_at }) =>
      present({ amount: granted, label: label || undefined, start: opens_at, end: closes_at ?? undefined }),
    ),
    limits: limits.map(({ limit, partition, user, opens_at, closes_at }) =>
      present({ limit, partition, user, start: opens_at, end: closes_at }),
    ),
    parent: account.parent,
    subtree_limit: account.subtree_limit,
    on_exhaustion: account.on_exhaustion,
    overdraft_limit: account.overdraft_limit,
    on_requeue_shortfall: account.on_requeue_shortfall,
    hold_multiplier: account.hold_multiplier,
  });
}

/** Without what is not there, or empty. */
const present = (fields: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0)),
  );
