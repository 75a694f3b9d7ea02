/**
 * Charges for runs that are long over: at the rates of the time of use, one charge a run, without a hold; and their refunds. Of a job
 * that was resized there is one for each size, and together they are what the run costs.
 */
import { given } from '../../domain/given';
import { divideHalfEven } from '../../domain/money';
import { runKeyOf } from '../../domain/run-charges';
import type { SacctRun } from '../../domain/sacct-runs';
import type { PricedUsage } from '../../domain/usage';
import { splitJobId } from '../../domain/slurm-job';
import { MICROS_PER_SECOND, instantOfMicros } from '../../domain/time';
import type { Sql } from '../../platform/postgres';
import { requestOf } from '../charges';
import type { Cluster } from '../contract';
import { ask } from '../errors';
import { exemptionOf } from '../slurm/exemption';
import { lateRefundOf, lateRefundRequest, refundLate } from './late-refunds';
import { ACTOR } from './lock';
import type { OwnedRun, Standing } from './sacct';
import type { RunAccount } from './sacct-accounts';
import type { RunPrices } from './sacct-prices';
import { partOf, type ChargedSizes } from './resized-runs';

export interface LateCharges {
  /** Charged, or to be charged. */
  runs: number;
  /** Left to the story of a hold that the job has. */
  followed: number;
  /** Exempt on the cluster. */
  exempt: number;
  /** Without a price that could be seen before: too dear, or too long. */
  unpriced: number;
  /** Micros by unit. */
  totals: Map<string, bigint>;
  /** Given back, or to be, because of how they ended. */
  refunds: { runs: number; totals: Map<string, bigint> };
}

/** One transaction holds the locks of its trees; neighbours should not wait for long. */
const AT_ONCE = 200;

interface House {
  sql: Sql;
  cluster: Cluster;
  prices: RunPrices;
  sizes: ChargedSizes;
  settings: { apply: boolean };
}

/** Charges what has a price, no charge and no story of its own. A run that is charged meanwhile is not charged again. */
export async function chargeLate(
  { sql, cluster, prices, sizes, settings }: House,
  owned: readonly OwnedRun[],
  standing: readonly Standing[],
  onUnpriced: (run: SacctRun, account: RunAccount, detail: string) => void,
): Promise<LateCharges> {
  const late: LateCharges = {
    runs: 0,
    followed: 0,
    exempt: 0,
    unpriced: 0,
    totals: new Map(),
    refunds: { runs: 0, totals: new Map() },
  };
  const add = (unit: string, amount: bigint, to = late.totals) => to.set(unit, (to.get(unit) ?? 0n) + amount);
  const byUnit = new Map<string, ReturnType<typeof requestOf>[]>();
  const refundsByUnit = new Map<string, ReturnType<typeof lateRefundRequest>[]>();
  await sizes.learn(owned);
  for (const [place, { run, account, gap }] of owned.entries()) {
    const { isCharged = false, isFollowed = false } = standing[place] ?? {};
    const refund = lateRefundOf(run, cluster);
    if (isCharged) {
      // By an earlier import perhaps, before the cluster had this policy.
      if (refund && settings.apply) pushTo(refundsByUnit, account.unit, lateRefundRequest(run, refund, cluster));
      continue;
    }
    if (gap !== undefined) continue;
    if (isExempt(cluster, run)) {
      late.exempt += 1;
      continue;
    }
    if (isFollowed) {
      late.followed += 1;
      continue;
    }
    const priced = prices.priceOf(run, account.unit, sizes.chargedOf(run, account.unit));
    if ('quarantined' in priced) {
      late.unpriced += 1;
      onUnpriced(run, account, priced.quarantined);
      continue;
    }
    sizes.add(run, account.unit, priced.exact);
    if (!settings.apply) {
      late.runs += 1;
      add(account.unit, priced.total);
      if (refund && priced.total > 0n) {
        late.refunds.runs += 1;
        const { numerator, denominator } = refund.share;
        add(account.unit, divideHalfEven(priced.total * numerator, denominator), late.refunds.totals);
      }
      continue;
    }
    pushTo(byUnit, account.unit, chargeOf({ run, account }, cluster, priced));
    if (refund) pushTo(refundsByUnit, account.unit, lateRefundRequest(run, refund, cluster));
  }
  for (const [unit, requests] of byUnit) {
    for (let from = 0; from < requests.length; from += AT_ONCE) {
      const some = JSON.stringify(requests.slice(from, from + AT_ONCE));
      const [row] = await ask(
        () => sql<{ charged: bigint; amount: bigint }[]>`
          select charged, amount_micro as amount from ledger.charge_runs(${some}::text::jsonb)`,
      );
      late.runs += Number(row?.charged ?? 0n);
      add(unit, row?.amount ?? 0n);
    }
  }
  // After the charges: an import that dies between the two finds the runs charged, and gives back then.
  for (const [unit, requests] of refundsByUnit) {
    for (let from = 0; from < requests.length; from += AT_ONCE) {
      const { refunded, amount } = await refundLate(sql, requests.slice(from, from + AT_ONCE));
      late.refunds.runs += refunded;
      add(unit, amount, late.refunds.totals);
    }
  }
  return late;
}

function pushTo<T>(lists: Map<string, T[]>, name: string, value: T): void {
  const list = lists.get(name) ?? [];
  list.push(value);
  lists.set(name, list);
}

const isExempt = (cluster: Cluster, { user, account, partition }: SacctRun): boolean =>
  exemptionOf(cluster, {
    ...given({ user, account: account || undefined }),
    partitions: partition === undefined ? [] : [partition],
  }) !== undefined;

function chargeOf(
  { run, account }: Pick<OwnedRun, 'run' | 'account'>,
  cluster: Cluster,
  { pieces, exact }: Pick<PricedUsage, 'pieces' | 'exact'>,
): ReturnType<typeof requestOf> {
  const { jobId, submittedAt, startedAt, endedAt, resources, suspendedMicros, endState } = run;
  const id = splitJobId(jobId);
  const [from, to] = [BigInt(startedAt), BigInt(endedAt)];
  const activeMicros = to - from - BigInt(suspendedMicros);
  return requestOf({
    runKey: runKeyOf(cluster.name, { ...id, submittedAt: BigInt(submittedAt), startedAt: from }),
    account: account.name,
    cluster: cluster.name,
    jobId: id.jobId,
    ...(run.partition !== undefined && { partition: run.partition }),
    ...(run.user !== undefined && { user: run.user }),
    source: 'usage',
    pieces,
    startedAt: instantOfMicros(from),
    endedAt: instantOfMicros(to),
    usage: { runSeconds: Number(activeMicros / MICROS_PER_SECOND), endState, imported: true, ...partOf(run, exact) },
    ...(to > from && { slices: [{ from, to, resources, activeMicros }] }),
    actor: ACTOR,
  });
}
