/** What a person's own environment says, so that a login script can leave it out: account, partition, job. */
import { EXIT, Stop } from './exit';
import type { Session } from './session';

const said = (session: Session, ...names: string[]): string | undefined =>
  names.map((name) => session.io.env[name]).find((value) => value !== undefined && value !== '');

/** Undefined where neither the command line nor the environment names one. */
export const standingAccount = (session: Session, given: string | undefined): string | undefined =>
  given ?? said(session, 'BURSAR_ACCOUNT', 'ASBB_ACCOUNT');

export const standingPartition = (session: Session, given: string | undefined): string | undefined =>
  given ?? said(session, 'BURSAR_DEFAULT_PARTITION', 'ASBB_DEFAULT_PARTITION');

/** Within a job the scheduler says which one it is; the tasks of an array are one job, by its base id. */
export const standingJob = (session: Session, given: string | undefined): string | undefined =>
  given ?? said(session, 'SLURM_ARRAY_JOB_ID', 'SLURM_JOB_ID', 'PBS_JOBID');

export const standingCluster = (session: Session, given: string | undefined): string | undefined =>
  given ?? said(session, 'SLURM_CLUSTER_NAME');

type Part = readonly [value: string | undefined, how: string];

/** The values, or a `Stop` that names everything that is missing at once, and how it is given. */
export function required<Parts extends readonly Part[]>(...parts: Parts): { [Index in keyof Parts]: string } {
  const absent = parts.filter(([value]) => value === undefined).map(([, how]) => how);
  if (absent.length > 0) throw new Stop(EXIT.usage, `Missing: ${absent.join('; ')}.`);
  return parts.map(([value]) => value) as { [Index in keyof Parts]: string };
}
