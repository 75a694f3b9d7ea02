/**
 * The limits that Slurm keeps for us while we are away. What is set is what is left at that moment, so a sync that is repeated,
 * or that lands after it was given up, does no harm: the next one sets what is left then.
 */
import { log } from '@temporalio/activity';
import { planWall } from '../domain/slurm-wall';
import type { Walls } from '../ledger/contract';
import { changeSlurm, readSlurm, slurmTools, type SlurmPlaces } from '../platform/slurm';
import type { WallReport } from '../workflows/contracts/wall';

export interface WallSettings extends SlurmPlaces {
  /** As Bursar knows it. */
  cluster: string;
}

export interface WallDeps {
  walls: Walls;
  /** Undefined: Slurm's limits are none of ours. */
  wall?: WallSettings | undefined;
}

export const wallActivities = ({ walls, wall }: WallDeps) => ({
  syncWall: async (): Promise<WallReport> => {
    if (!wall) return { changed: 0, kept: 0, drifted: [], failures: [] };
    const run = slurmTools(wall);
    const slurm = await readSlurm(run);
    const { changes } = planWall(await walls.readWall(wall.cluster), slurm);
    const drifted = changes.flatMap(({ account, drift }) => (drift === undefined ? [] : [`${account}: ${drift}`]));
    // Sets it back, and says so: whoever moved the wall will ask why it does not stay.
    if (drifted.length > 0) log.warn('the wall was changed in Slurm', { drifted });
    const due = changes.filter(({ commands }) => commands.length > 0);
    const failures = await changeSlurm(run, due);
    if (failures.length > 0) log.warn('the wall could not be set', { failures });
    return {
      changed: due.length - failures.length,
      kept: changes.length - due.length,
      drifted,
      failures: failures.map(({ account, failure }) => `${account}: ${failure}`),
    };
  },
});
export type WallActivities = ReturnType<typeof wallActivities>;
