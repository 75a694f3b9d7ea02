/**
 * What was used between two moments, summed by a label and by parts of the time: money from the pieces of charges, hours from
 * the slices of runs, both cut at the edges of the parts; jobs by when they ended. Runs that were imported and have no charge
 * have hours and no money.
 *
 * Exact: a piece or slice that crosses an edge is divided by differences of its cumulative amount, so that the days sum to
 * the whole; hours stay counts times microseconds until somebody reads them.
 */
import { toMicro, type Micro } from '../domain/money';
import { fraction, fractionOfDecimal, times, type Fraction } from '../domain/rational';
import type { Bucket } from '../domain/report-period';
import type { Instant } from '../domain/time';
import type { Grouping } from '../domain/usage-report';
import type { Tx } from '../platform/postgres';
import type { UsageAsked, Used } from './contract';
import { inScope, type Scope } from './usage-scope';

interface UsedRow {
  /** Null: all of it together. */
  bucket: number | null;
  label: string | null;
  amount_micro: bigint;
  jobs: number;
  unmetered: number;
  cpu_micros: string;
  gpu_micros: string;
  node_micros: string;
  mib_micros: string;
  held_micro: bigint | null;
}

/** What one label used within one bucket; buckets count from 1. */
export interface Grouped {
  bucket: number;
  label: string | null;
  used: Used;
}

/** One call: the rows of a page, and one more that is the total of all. */
export async function readUsed(
  tx: Tx,
  { unit, rootNo, clusterNo, now }: Pick<Scope, 'unit' | 'rootNo' | 'clusterNo' | 'now'>,
  asked: Pick<UsageAsked, 'partition' | 'user' | 'groupBy'>,
  buckets: readonly Bucket[],
  page: { skipped: number; limit: number },
): Promise<{ total: Used; held: Micro; rows: Grouped[] }> {
  const { partition, user } = { partition: asked.partition ?? null, user: asked.user ?? null };
  const from = buckets[0]?.from ?? null;
  const to = buckets.at(-1)?.to ?? null;
  const moments = [...buckets.map((bucket) => bucket.from), ...(to === null ? [] : [to])];
  const edges = tx`${moments}::timestamptz[]`;
  // Each row is placed once, in the first and the last bucket that it touches; nearly always they are one. What was used at
  // one moment (a cost of which no times are known) lies in the bucket that begins with it.
  const placed = (table: 'p' | 'u') => tx`
    ledger.bucket_at(${tx(table)}.starts_at, ${edges}) as first_bucket,
    ledger.bucket_at(greatest(${tx(table)}.starts_at, ${tx(table)}.ends_at - interval '1 microsecond'), ${edges}) as last_bucket`;
  const further = tx`lateral generate_series(first_bucket + 1, last_bucket) as bucket`;
  const sharesOf =
    (share: 'share_between' | 'active_between', amount: 'amount_micro' | 'active_micros') => (bucket: string) => tx`
    ledger.${tx(share)}(${tx(amount)}, starts_at, ends_at, (${edges})[${tx(bucket)}], (${edges})[${tx(bucket)} + 1])`;
  const label = labelOf(tx, asked.groupBy);
  const byDays = await canReadDays(tx, clusterNo, moments, now);
  const isAsked = tx`(${clusterNo}::int is null or ch.cluster_no = ${clusterNo})
        and (${partition}::text is null or ch.partition = ${partition})
        and (${user}::text is null or ch.user_name = ${user})`;
  const amountIn = sharesOf('share_between', 'amount_micro');
  const microsIn = sharesOf('active_between', 'active_micros');
  // GPUs and memory stay with a job while it is suspended, so of them all of the time counts.
  const wholeIn = (bucket: string) => tx`
    round(date_part('epoch', least(ends_at, (${edges})[${tx(bucket)} + 1]) - greatest(starts_at, (${edges})[${tx(bucket)}])) * 1000000)::bigint`;
  // From one day on which something ran to the next, by the index: of a century that is asked about, most days have nothing.
  const nextDay = (of: 'c' | 'f', isBehind: ReturnType<Tx>) => tx`(
    select min(d.on_day) from ledger.imported_days d
    where d.cluster_no = ${tx(of)}.cluster_no and d.on_day ${isBehind} and d.on_day <=
      ((least(${to}::timestamptz, ${now}::timestamptz + interval '1 day') - interval '1 microsecond') at time zone ${tx(of)}.time_zone)::date)`;
  const rows = await tx<UsedRow[]>`
    with recursive scope as (
      select a.account_no, a.name from ledger.accounts a where ${inScope(tx, rootNo, unit)}
    ), run as not materialized (
      select ch.charge_no, ch.first_slice,
        case when ch.first_slice > 1 then ch.metered_until else coalesce(ch.ended_at, ch.metered_until) end as ended_at,
        ch.metered_until is null and not coalesce(ch.started_at = ch.ended_at, false) as is_unmetered, ${label} as label
      from ledger.charges ch join scope s using (account_no)
      where ${isAsked}
    ), imported as not materialized (
      select ch.*, ${label} as label
      from ledger.imported_runs ch join scope s using (account_no)
      where not ${byDays} and ch.charge_no is null and ${isAsked}
    ), found (cluster_no, time_zone, on_day) as (
      select c.cluster_no, c.time_zone, ${nextDay('c', tx`>= (${from}::timestamptz at time zone c.time_zone)::date`)}
      from ledger.imported_clusters c
      where ${byDays} and (${clusterNo}::int is null or c.cluster_no = ${clusterNo})
      union all
      select f.cluster_no, f.time_zone, ${nextDay('f', tx`> f.on_day`)} from found f where f.on_day is not null
    ), day as materialized (
      select cluster_no, on_day, ledger.bucket_at(ledger.day_starts_at(on_day, time_zone), ${edges}) as bucket
      from found where on_day is not null
    ), piece as materialized (
      select run.label, p.starts_at, p.ends_at, p.amount_micro, ${placed('p')}
      from ledger.charge_pieces p join run using (charge_no)
      where p.starts_at < ${to} and p.ends_at >= ${from}
    ), slice as materialized (
      select run.label, u.starts_at, u.ends_at, u.active_micros, u.nodes, u.cpus, u.gpus, u.memory_mib, ${placed('u')}
      from ledger.usage_slices u join run on run.charge_no = u.charge_no and u.slice_no >= run.first_slice
      where u.starts_at < ${to} and u.ends_at > ${from}
      union all
      select u.label, u.starts_at, u.ends_at, u.active_micros, u.nodes, u.cpus, u.gpus, u.memory_mib, ${placed('u')}
      from (select i.*, i.started_at as starts_at, i.ended_at as ends_at from imported i) u
      where u.starts_at < ${to} and u.ends_at > ${from}
    ), cut_piece as (
      select label, first_bucket as bucket, ${amountIn('first_bucket')} as amount from piece
      union all
      select label, bucket, ${amountIn('bucket')} from piece cross join ${further} where last_bucket > first_bucket
    ), cut_slice as (
      select label, first_bucket as bucket, nodes, cpus, gpus, memory_mib, ${microsIn('first_bucket')} as micros,
        ${wholeIn('first_bucket')} as whole_micros
      from slice
      union all
      select label, bucket, nodes, cpus, gpus, memory_mib, ${microsIn('bucket')}, ${wholeIn('bucket')}
      from slice cross join ${further} where last_bucket > first_bucket
    ), ended as materialized (
      select label, ledger.bucket_at(ended_at, ${edges}) as bucket, is_unmetered
      from run where ended_at >= ${from} and ended_at < ${to}
      union all
      select label, ledger.bucket_at(t.effective_at, ${edges}), is_unmetered
      from run join ledger.transactions t on t.txn_no = run.charge_no
      where run.ended_at is null and t.effective_at >= ${from} and t.effective_at < ${to}
      union all
      select label, ledger.bucket_at(ended_at, ${edges}), false
      from imported where ended_at >= ${from} and ended_at < ${to}
    ), part as (
      select label, bucket, sum(amount) as amount, 0 as jobs, 0 as unmetered, 0::numeric as cpu, 0::numeric as gpu,
        0::numeric as node, 0::numeric as mib
      from cut_piece group by label, bucket
      union all
      select label, bucket, 0, 0, 0, sum(cpus * micros), sum(gpus * whole_micros), sum(nodes * micros), sum(memory_mib * whole_micros)
      from cut_slice group by label, bucket
      union all
      select label, bucket, 0, count(*), count(*) filter (where is_unmetered), 0, 0, 0, 0 from ended group by label, bucket
      union all
      select ${label}, day.bucket, 0, sum(ch.jobs), 0, sum(ch.cpu_micros), sum(ch.gpu_micros), sum(ch.node_micros), sum(ch.mib_micros)
      from ledger.imported_days ch join day using (cluster_no, on_day) join scope s using (account_no)
      where ${isAsked} group by 1, 2
    ), used as materialized (
      select label, bucket, sum(amount)::bigint as amount_micro, sum(jobs)::int as jobs, sum(unmetered)::int as unmetered,
        sum(cpu) as cpu, sum(gpu) as gpu, sum(node) as node, sum(mib) as mib
      from part group by label, bucket
      having sum(jobs) > 0 or sum(amount) <> 0 or sum(cpu) > 0 or sum(gpu) > 0 or sum(node) > 0
    ), page as (
      select * from used order by bucket, amount_micro desc, label offset ${page.skipped} limit ${page.limit + 1}
    )
    select null::int as bucket, null as label, coalesce(sum(amount_micro), 0)::bigint as amount_micro,
      coalesce(sum(jobs), 0)::int as jobs, coalesce(sum(unmetered), 0)::int as unmetered,
      coalesce(sum(cpu), 0) as cpu_micros, coalesce(sum(gpu), 0) as gpu_micros, coalesce(sum(node), 0) as node_micros,
      coalesce(sum(mib), 0) as mib_micros, (
        select coalesce(sum(h.held_micro), 0)::bigint from ledger.holds h join scope s using (account_no)
        where h.status = 'open' and (${clusterNo}::int is null or h.cluster_no = ${clusterNo})
          and (${partition}::text is null or h.partition = ${partition})
          and (${user}::text is null or h.user_name = ${user})) as held_micro
    from used
    union all
    (select bucket, label, amount_micro, jobs, unmetered, cpu, gpu, node, mib, null
     from page order by bucket, amount_micro desc, label)`;
  const [total, ...grouped] = rows;
  if (!total) throw new Error('a report has no total');
  return {
    total: usedOf(total),
    held: toMicro(total.held_micro ?? 0n),
    rows: grouped.map((row) => ({ bucket: row.bucket ?? 0, label: row.label, used: usedOf(row) })),
  };
}

/**
 * Whether the imported runs can be read from the days that they were added up by: where every edge is a midnight of their cluster
 * (what lies ahead has no runs to cut), and no import is at work on them.
 */
async function canReadDays(
  tx: Tx,
  clusterNo: number | null,
  moments: readonly Instant[],
  now: Instant,
): Promise<boolean> {
  const [row] = await tx<{ can: boolean | null }[]>`
    select bool_and(c.stale_from is null and (
      select bool_and(edge >= ${now} or edge = ledger.day_starts_at((edge at time zone c.time_zone)::date, c.time_zone))
      from unnest(${[...moments]}::timestamptz[]) edge)) as can
    from ledger.imported_clusters c where ${clusterNo}::int is null or c.cluster_no = ${clusterNo}`;
  return row?.can ?? false;
}

function labelOf(tx: Tx, groupBy: Grouping | undefined) {
  switch (groupBy) {
    case 'partition':
      return tx`ch.partition`;
    case 'user':
      return tx`ch.user_name`;
    case 'cluster':
      return tx`(select name from ledger.clusters c where c.cluster_no = ch.cluster_no)`;
    case 'account':
    case 'project':
      return tx`s.name`;
    default:
      return tx`null::text`;
  }
}

const usedOf = (row: UsedRow): Used => ({
  amount: toMicro(row.amount_micro),
  jobs: row.jobs,
  unmetered: row.unmetered,
  seconds: {
    cpu: secondsOf(row.cpu_micros),
    gpu: secondsOf(row.gpu_micros),
    node: secondsOf(row.node_micros),
    memoryMib: secondsOf(row.mib_micros),
  },
});

const secondsOf = (micros: string): Fraction => times(fractionOfDecimal(micros), fraction(1n, 1_000_000n));
