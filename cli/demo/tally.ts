/** What has happened so far: the numbers behind the panel and the last lines of the demo. */
import type { Decision } from '../wire';
import type { LoggedJob } from '../../domain/sacct-jobs';

export type Standing = 'waiting' | 'denied' | 'pending' | 'running' | 'ended' | 'settled' | 'released';

export interface Followed {
  job: LoggedJob;
  standing: Standing;
  holdId?: string;
  decision?: Decision;
}

export class Tally {
  readonly jobs: ReadonlyMap<number, Followed>;
  /** Those that have ended and are not settled yet. */
  readonly ended = new Set<Followed>();
  private readonly counts: Record<Standing, number>;
  /** Where the log's clock stands. */
  clock = '';

  constructor(jobs: readonly LoggedJob[]) {
    this.jobs = new Map(jobs.map((job) => [job.number, { job, standing: 'waiting' }]));
    this.counts = { waiting: jobs.length, denied: 0, pending: 0, running: 0, ended: 0, settled: 0, released: 0 };
  }

  of(job: LoggedJob): Followed {
    return this.jobs.get(job.number) as Followed;
  }

  move(followed: Followed, standing: Standing): void {
    this.counts[followed.standing] -= 1;
    followed.standing = standing;
    if (standing === 'ended') this.ended.add(followed);
    else this.ended.delete(followed);
    this.counts[standing] += 1;
  }

  /** Others are asked for first. */
  toTheBack(followed: Followed): void {
    if (this.ended.delete(followed)) this.ended.add(followed);
  }

  count(...standings: Standing[]): number {
    return standings.reduce((sum, standing) => sum + this.counts[standing], 0);
  }

  where(standing: Standing): Followed[] {
    return [...this.jobs.values()].filter((followed) => followed.standing === standing);
  }
}
