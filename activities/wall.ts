/**
 * The limits that Slurm keeps for us while we are away. What is set is what is left at that moment, so a sync that is repeated,
 * or that lands after it was given up, does no harm: the next one sets what is left then.
 */
import { log } from '@temporalio/activity';
import { Fault } from '../domain/faults';
import { planWall, waysRound, type SlurmState, type WallPlan } from '../domain/slurm-wall';
import type { Walls } from '../ledger/contract';
import { changeSlurm, readSlurm, slurmOf, SlurmFailed, slurmTools, type SlurmPlaces } from '../platform/slurm';
import type { WallReport } from '../workflows/contracts/wall';

export interface WallSettings extends SlurmPlaces {
  /** As Bursar and Slurm both call them. */
  clusters: readonly string[];
}

export interface WallDeps {
  walls: Walls;
  /** Undefined: Slurm's limits are none of ours. */
  wall?: WallSettings | undefined;
}

export function wallActivities({ walls, wall }: WallDeps) {
  const sayWhoIsOutside = openOutside();
  return {
    syncWall: async (): Promise<WallReport> => {
      const report: WallReport = { changed: 0, kept: 0, drifted: [], failures: [] };
      if (!wall) return report;
      const tools = slurmTools(wall);
      const unreached: Error[] = [];
      for (const cluster of wall.clusters) {
        const name = (account: string) => (wall.clusters.length > 1 ? `${cluster}: ${account}` : account);
        try {
          const run = await slurmOf(tools, cluster);
          const slurm = await readSlurm(run);
          const plan = planWall(await walls.readWall(cluster), slurm);
          sayWhoIsOutside(cluster, plan, slurm);
          const { changes } = plan;
          const drifted = changes.flatMap(({ account, drift }) =>
            drift === undefined ? [] : `${name(account)}: ${drift}`,
          );
          // Sets it back, and says so: whoever moved the wall will ask why it does not stay.
          if (drifted.length > 0) log.warn('the wall was changed in Slurm', { drifted });
          const due = changes.filter(({ commands }) => commands.length > 0);
          const failures = await changeSlurm(run, due);
          if (failures.length > 0) log.warn('the wall could not be set', { failures });
          report.changed += due.length - failures.length;
          report.kept += changes.length - due.length;
          report.drifted.push(...drifted);
          report.failures.push(...failures.map(({ account, failure }) => `${name(account)}: ${failure}`));
        } catch (error) {
          // A controller that is down is no reason to leave the walls of the others where they were.
          const isOfOne =
            error instanceof SlurmFailed || (error instanceof Fault && error.code === 'cluster_not_found');
          if (!isOfOne || wall.clusters.length === 1) throw error;
          log.warn('the wall could not be set', { cluster, failure: error.message });
          unreached.push(error);
          report.failures.push(`${cluster}: ${error.message}`);
        }
      }
      if (unreached[0] && unreached.length === wall.clusters.length) throw unreached[0];
      return report;
    },
  };
}
export type WallActivities = ReturnType<typeof wallActivities>;

/** Of so many a log has the names. */
const NAMED_MOST = 20;

/**
 * The sync leaves users alone who have a default QOS of their own, for somebody has set it; and their jobs are held by no wall. It is
 * said once, and again where it changes: `bursar slurm wall drift` says with which command to mend it.
 */
function openOutside() {
  const said = new Map<string, string>();
  return (cluster: string, plan: WallPlan, slurm: SlurmState): void => {
    const users = waysRound(plan, slurm).flatMap(({ account, user, defaultQos }) =>
      user === undefined || defaultQos === undefined ? [] : [`${user} in ${account}: ${defaultQos || 'none'}`],
    );
    const news = users.sort().join('\n');
    if (news === (said.get(cluster) ?? '')) return;
    said.set(cluster, news);
    if (users.length === 0) log.info('no user goes round the wall unasked any more', { cluster });
    else {
      const named = { users: users.slice(0, NAMED_MOST), inAll: users.length };
      log.warn('users go round the wall unasked', { cluster, ...named });
    }
  };
}
