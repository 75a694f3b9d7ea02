/**
 * The sizes of a job that was resized while it ran. The accounting has a row for each, and they come in one log or in several, in any
 * order; each is charged when it comes. What they cost together is one exact amount, so each charge is what its size adds to those
 * that are charged already, and keeps its exact cost for the next.
 */
import type { ExactCost } from '../../domain/meter';
import { fraction, plus } from '../../domain/rational';
import type { SacctRun } from '../../domain/sacct-runs';
import { instantOfMicros } from '../../domain/time';
import type { Sql } from '../../platform/postgres';
import type { Cluster } from '../contract';
import { ask } from '../errors';
import type { OwnedRun } from './sacct';

export interface ChargedSizes {
  /** Finds what is charged of the runs of these rows. */
  learn(owned: readonly OwnedRun[]): Promise<void>;
  /** Of the run of which this is a part, what is charged in that unit; undefined: nothing, or it is no part. */
  chargedOf(run: SacctRun, unit: string): ExactCost | undefined;
  /** A part is charged from now on. */
  add(run: SacctRun, unit: string, exact: ExactCost): void;
}

type Part = SacctRun & { runStartedAt: number };

const isPart = (run: SacctRun): run is Part => run.runStartedAt !== undefined;

export function openChargedSizes(sql: Sql, cluster: Cluster, { apply }: { apply: boolean }): ChargedSizes {
  const known = new Map<string, Map<string, ExactCost>>();
  const nameOf = ({ jobId, runStartedAt }: Part): string => `${jobId}/${runStartedAt}`;

  function addTo(sizes: Map<string, ExactCost>, unit: string, { cost, usedPreset }: ExactCost): void {
    const before = sizes.get(unit);
    sizes.set(
      unit,
      before ? { cost: plus(before.cost, cost), usedPreset: before.usedPreset || usedPreset } : { cost, usedPreset },
    );
  }

  return {
    async learn(owned) {
      // A dry run leaves nothing behind that the next rows could be compared with.
      if (apply) known.clear();
      const asked = new Map<string, Part>();
      for (const { run } of owned) if (isPart(run) && !known.has(nameOf(run))) asked.set(nameOf(run), run);
      if (asked.size === 0) return;
      const names = [...asked.keys()];
      const parts = [...asked.values()];
      for (const name of names) known.set(name, new Map());
      const rows = await ask(
        () => sql<{ place: number; unit: string; numerator: string; denominator: string; usedPreset: boolean }[]>`
          select part.place::int as place, a.unit, c.usage -> 'size' ->> 'numerator' as numerator,
            c.usage -> 'size' ->> 'denominator' as denominator, (c.usage -> 'size' ->> 'usedPreset')::boolean as "usedPreset"
          from unnest(${parts.map((part) => stemOf(cluster, part))}::text[], ${parts.map(startOf)}::text[])
            with ordinality as part (stem, run_started_at, place)
          join ledger.charges c on c.run_key >= part.stem || '/' and c.run_key < part.stem || '0'
            and c.usage -> 'size' ->> 'runStartedAt' = part.run_started_at
          join ledger.accounts a using (account_no)`,
      );
      for (const { place, unit, numerator, denominator, usedPreset } of rows) {
        const sizes = known.get(names[place - 1] ?? '');
        if (sizes) addTo(sizes, unit, { cost: fraction(BigInt(numerator), BigInt(denominator)), usedPreset });
      }
    },

    chargedOf: (run, unit) => (isPart(run) ? known.get(nameOf(run))?.get(unit) : undefined),

    add(run, unit, exact) {
      const sizes = isPart(run) ? known.get(nameOf(run)) : undefined;
      if (sizes) addTo(sizes, unit, exact);
    },
  };
}

/** What the charge of a part keeps. */
export function partOf(run: SacctRun, { cost, usedPreset }: ExactCost): { size?: Record<string, string | boolean> } {
  if (!isPart(run)) return {};
  const { numerator, denominator } = cost;
  return {
    size: {
      runStartedAt: startOf(run),
      numerator: numerator.toString(),
      denominator: denominator.toString(),
      usedPreset,
    },
  };
}

const startOf = ({ runStartedAt }: Part): string => instantOfMicros(BigInt(runStartedAt));

/** What the keys of all runs of the job begin with. */
const stemOf = ({ name }: Cluster, { jobId }: Part): string => `${name}/${jobId}`;
