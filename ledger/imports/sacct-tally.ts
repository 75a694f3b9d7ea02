/** What an import of an accounting log has seen and done: chunk by chunk, and all of it as its answer says it. */
import { ACCOUNT_NAME_RULE } from '../../domain/account-name';
import { toMicro, type Micro } from '../../domain/money';
import { NO_RUN, type NoRun, type RunReader, type SacctRun } from '../../domain/sacct-runs';
import { instantOfMicros } from '../../domain/time';
import type { Cluster } from '../contract';
import type { SacctFinding, SacctResult, SacctSettings } from '../contract/imports';
import type { LateCharges } from './late-charges';
import type { LogAccounts, RunAccount } from './sacct-accounts';

/** What a chunk was, kept with it, so that passing it over says as much as reading it. */
export interface Counts {
  rows: number;
  runs: number;
  /** Rows of runs that the log has named before; they count as rows and as nothing else. */
  repeats: number;
  charged: number;
  noRuns: Partial<Record<NoRun, number>>;
  leftOut: number;
  uncertainTimes: number;
  cpuSeconds: number;
  gpuSeconds: number;
  nodeSeconds: number;
  firstStart?: number;
  lastEnd?: number;
  users: string[];
  /** As they stood at its end. */
  columns: readonly string[];
}

export function count(
  counts: Counts,
  { startedAt, endedAt, suspendedMicros, resources, hasUncertainTime }: SacctRun,
): void {
  const [whole, active] = [(endedAt - startedAt) / 1e6, (endedAt - startedAt - suspendedMicros) / 1e6];
  counts.runs += 1;
  counts.cpuSeconds += resources.cpus * active;
  counts.gpuSeconds += resources.gpus * whole;
  counts.nodeSeconds += resources.nodes * active;
  counts.firstStart = Math.min(counts.firstStart ?? startedAt, startedAt);
  counts.lastEnd = Math.max(counts.lastEnd ?? endedAt, endedAt);
  if (hasUncertainTime) counts.uncertainTimes += 1;
}

export const noCounts = (): Counts => ({
  rows: 0,
  runs: 0,
  repeats: 0,
  charged: 0,
  noRuns: {},
  leftOut: 0,
  uncertainTimes: 0,
  cpuSeconds: 0,
  gpuSeconds: 0,
  nodeSeconds: 0,
  users: [],
  columns: [],
});

/** What the answer names, and who hears of single rows. */
export interface TallyHouse {
  cluster: Cluster;
  settings: SacctSettings;
  reader: RunReader;
  accounts: LogAccounts;
  onFinding: (finding: SacctFinding) => void;
}

/** So many say enough. */
const GAPS_LISTED = 1000;

const amountsOf = (totals: ReadonlyMap<string, bigint>): { unit: string; amount: Micro }[] =>
  [...totals].map(([unit, amount]) => ({ unit, amount: toMicro(amount) }));

export class Tally {
  unreadable = 0;
  private readonly sum = noCounts();
  private readonly users = new Set<string>();
  private fresh = 0;
  private passed = 0;
  private unpriced = 0;
  private readonly gaps = new Map<string, number>();
  private readonly unknown = new Map<string, { runs: number; line: number }>();
  private readonly charges = { runs: 0, followed: 0, exempt: 0, totals: new Map<string, bigint>() };
  private readonly refunds = { runs: 0, totals: new Map<string, bigint>() };

  constructor(private readonly house: TallyHouse) {}

  get rows(): number {
    return this.sum.rows;
  }

  pass(counts: Counts): void {
    this.passed += counts.rows;
    this.add(counts, 0);
  }

  add(counts: Counts, fresh: number): void {
    const { sum } = this;
    this.fresh += fresh;
    sum.rows += counts.rows;
    sum.runs += counts.runs;
    sum.repeats += counts.repeats;
    sum.charged += counts.charged;
    sum.leftOut += counts.leftOut;
    sum.uncertainTimes += counts.uncertainTimes;
    sum.cpuSeconds += counts.cpuSeconds;
    sum.gpuSeconds += counts.gpuSeconds;
    sum.nodeSeconds += counts.nodeSeconds;
    for (const why of NO_RUN) {
      const rows = counts.noRuns[why];
      if (rows !== undefined) sum.noRuns[why] = (sum.noRuns[why] ?? 0) + rows;
    }
    for (const user of counts.users) this.users.add(user);
    if (counts.firstStart !== undefined) {
      sum.firstStart = Math.min(sum.firstStart ?? counts.firstStart, counts.firstStart);
    }
    if (counts.lastEnd !== undefined) sum.lastEnd = Math.max(sum.lastEnd ?? counts.lastEnd, counts.lastEnd);
  }

  readonly unpricedRun = ({ line, jobId }: SacctRun, account: RunAccount, detail: string): void => {
    this.unpriced += 1;
    if (this.gaps.size < GAPS_LISTED || this.gaps.has(detail)) this.gaps.set(detail, (this.gaps.get(detail) ?? 0) + 1);
    this.house.onFinding({ kind: 'unpriced', line, jobId, account: account.name, detail });
  };

  doubtful({ line, jobId, startedAt, endedAt }: SacctRun, account: RunAccount): void {
    const [from, to] = [startedAt, endedAt].map((micros) => instantOfMicros(BigInt(micros)));
    const detail = `a time that the clocks showed twice, or never; taken to have run from ${from} to ${to}`;
    this.house.onFinding({ kind: 'uncertain_time', line, jobId, account: account.name, detail });
  }

  strange(account: string, { line }: SacctRun): void {
    const known = this.unknown.get(account);
    if (known) known.runs += 1;
    else this.unknown.set(account, { runs: 1, line });
  }

  late({ runs, followed, exempt, totals, refunds }: LateCharges): void {
    this.refunds.runs += refunds.runs;
    for (const [unit, amount] of refunds.totals) {
      this.refunds.totals.set(unit, (this.refunds.totals.get(unit) ?? 0n) + amount);
    }
    this.charges.runs += runs;
    this.charges.followed += followed;
    this.charges.exempt += exempt;
    for (const [unit, amount] of totals) this.charges.totals.set(unit, (this.charges.totals.get(unit) ?? 0n) + amount);
  }

  result(): SacctResult {
    const { sum, house } = this;
    const byRuns = (a: { runs: number }, b: { runs: number }) => b.runs - a.runs;
    const unknownAccounts = [...this.unknown]
      .map(([account, { runs, line }]) => ({ account, runs, line }))
      .sort(byRuns);
    for (const { account, runs, line } of unknownAccounts) {
      const cannotBe = house.settings.newAccounts.policy === 'create' && account !== '';
      const why = cannotBe ? `none can have such a name (${ACCOUNT_NAME_RULE})` : 'Bursar has no such account';
      const detail = `${runs} of its runs were left out: ${why}`;
      house.onFinding({ kind: 'unknown_account', line, account, detail });
    }
    const time = (micros: number) => instantOfMicros(BigInt(micros));
    return {
      cluster: house.cluster.name,
      timeZone: house.cluster.timeZone,
      rowsPassedOver: this.passed,
      rows: sum.rows,
      runs: sum.runs,
      repeats: sum.repeats,
      fresh: this.fresh,
      charged: sum.charged,
      noRuns: sum.noRuns,
      unreadable: this.unreadable,
      unpriced: this.unpriced,
      leftOut: sum.leftOut,
      uncertainTimes: sum.uncertainTimes,
      cpuSeconds: sum.cpuSeconds,
      gpuSeconds: sum.gpuSeconds,
      nodeSeconds: sum.nodeSeconds,
      ...(sum.firstStart !== undefined && { firstStart: time(sum.firstStart) }),
      ...(sum.lastEnd !== undefined && { lastEnd: time(sum.lastEnd) }),
      users: this.users.size,
      unknownAccounts: unknownAccounts.map(({ account, runs }) => ({ account, runs })),
      newAccounts: [...house.accounts.made],
      otherClusters: [...house.reader.otherClusters],
      gaps: [...this.gaps].map(([detail, runs]) => ({ detail, runs })).sort(byRuns),
      ...(house.settings.charge && {
        late: {
          runs: this.charges.runs,
          followed: this.charges.followed,
          exempt: this.charges.exempt,
          totals: amountsOf(this.charges.totals),
          refunds: { runs: this.refunds.runs, totals: amountsOf(this.refunds.totals) },
        },
      }),
    };
  }
}
