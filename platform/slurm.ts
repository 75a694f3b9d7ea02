/** Slurm's commands, run on this machine. */
import { join } from 'node:path';
import {
  planRemoval,
  READ_CLUSTERS,
  readAssociations,
  readAssociationsOf,
  readClusterName,
  readClusters,
  READ_QOS,
  READ_USAGE,
  readQos,
  readUsage,
  type SlurmState,
} from '../domain/slurm-wall';
import { childEnvironment } from './config';
import { CommandFailed, runCommand } from './run-command';

export interface SlurmPlaces {
  /** The folder of sacctmgr and the others; undefined: where the shell finds them. */
  bin?: string | undefined;
  /** slurm.conf; undefined: where Slurm looks for it. */
  conf?: string | undefined;
  /** How long each command may take; a minute unless said. */
  timeoutMs?: number;
}

export type RunSlurm = (program: string, args: readonly string[]) => Promise<string>;

/** A command of Slurm's failed; the message is what it said. */
export class SlurmFailed extends Error {
  override name = 'SlurmFailed';
}

const TIMEOUT_MS = 60_000;

/** Their output can be megabytes: a line a job, or a QOS. */
const OUTPUT_BYTES_MAX = 256 * 1_048_576;

export function slurmTools({ bin, conf, timeoutMs = TIMEOUT_MS }: SlurmPlaces = {}): RunSlurm {
  const env = childEnvironment({ LC_ALL: 'C', SLURM_TIME_FORMAT: 'standard', ...(conf && { SLURM_CONF: conf }) });
  return async (program, args) => {
    const command = bin === undefined ? program : join(bin, program);
    try {
      return await runCommand(command, args, { env, timeoutMs, bytesMax: OUTPUT_BYTES_MAX });
    } catch (error) {
      if (!(error instanceof CommandFailed)) throw error;
      const where = bin === undefined ? 'in PATH' : `in ${bin}`;
      const said = error.said === '' ? error.why : `failed: ${error.said.replaceAll('\n', ' ')}`;
      throw new SlurmFailed(`${program} ${error.isMissing ? `is not here (${where})` : said}`);
    }
  };
}

/**
 * The commands as one cluster answers them: this machine's own, or another one of its slurmdbd. A Slurm that is alone in its
 * slurmdbd may have another name in Bursar; of several none is guessed, for its accounts would get the money of another.
 */
export async function slurmOf(run: RunSlurm, cluster: string | undefined): Promise<RunSlurm> {
  if (cluster === undefined) return run;
  const wanted = cluster.toLowerCase();
  if (readClusterName(await run('scontrol', ['show', 'config']))?.toLowerCase() === wanted) return run;
  const known = readClusters(await run('sacctmgr', READ_CLUSTERS));
  if (known.length < 2) return run;
  if (!known.includes(wanted)) {
    throw new SlurmFailed(`Slurm knows no cluster ${cluster}; its slurmdbd has ${known.join(', ')}`);
  }
  return (program, args) => run(program, program === 'sacctmgr' ? args : [`--clusters=${wanted}`, ...args]);
}

/** What Slurm has of the wall, and its configuration. */
export async function readSlurm(run: RunSlurm): Promise<SlurmState & { config: string }> {
  const config = await run('scontrol', ['show', 'config']);
  const cluster = readClusterName(config);
  if (cluster === undefined) throw new SlurmFailed('scontrol show config names no cluster');
  const [qos, associations, usage] = await Promise.all([
    run('sacctmgr', READ_QOS),
    run('sacctmgr', readAssociationsOf(cluster)),
    run('scontrol', READ_USAGE),
  ]);
  return {
    config,
    cluster,
    qos: readQos(qos),
    accounts: readAssociations(associations),
    used: readUsage(usage),
  };
}

/** Runs what was planned, asking nobody. One account's failure does not keep the others from their walls. */
export async function changeSlurm(
  run: RunSlurm,
  planned: readonly { account: string; commands: readonly (readonly string[])[] }[],
): Promise<{ account: string; failure: string }[]> {
  const failures: { account: string; failure: string }[] = [];
  for (const { account, commands } of planned) {
    try {
      for (const command of commands) await run('sacctmgr', ['-i', ...command]);
    } catch (error) {
      if (!(error instanceof SlurmFailed)) throw error;
      failures.push({ account, failure: error.message });
    }
  }
  return failures;
}

/** What is to be taken back on a cluster. */
export async function planSlurmRemoval(run: RunSlurm, cluster: string, slurm: SlurmState) {
  const queue = await run('squeue', ['-h', '-a', '-o', '%q']);
  return planRemoval(cluster, slurm, new Set(queue.split('\n').map((each) => each.trim())));
}
