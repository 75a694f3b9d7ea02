/** Slurm by its commands, on a machine where these reach the controller and the accounting. */
import { join } from 'node:path';
import { readHistory, SACCT } from '../../domain/sacct-look';
import type { QueuedJob } from '../../domain/queue';
import { readSqueue, SQUEUE } from '../../domain/squeue';
import { instantOfMs } from '../../domain/time';
import { runCommand } from '../../platform/run-command';
import type { Reading, Scheduler } from './scheduler';

export interface SlurmCommandsOptions {
  /** The folder of squeue and sacct. */
  binPath: string;
  /** slurm.conf; undefined: where Slurm itself looks. */
  configFile?: string;
  timeoutMs: number;
  /** Of the cluster, should a Slurm not know how to print seconds. */
  timeZone: string;
  /** Slurm's name of the cluster, where the commands reach several; undefined: the one that they belong to. */
  cluster?: string;
}

/** Ids in one question: a command line has an end. */
const ASKED_AT_ONCE = 500;

export function slurmCommands(options: SlurmCommandsOptions): Scheduler {
  const { binPath, configFile, timeoutMs, timeZone, cluster } = options;
  const conf: Record<string, string> = configFile === undefined ? {} : { SLURM_CONF: configFile };
  const which = cluster === undefined ? [] : [`--clusters=${cluster}`];
  const run = (program: string, args: readonly string[], env: Readonly<Record<string, string>>) =>
    runCommand(join(binPath, program), [...args, ...which], { timeoutMs, env: { ...conf, ...env } });

  const sacct = async (args: readonly string[]): Promise<Reading> =>
    readingOf(readHistory(await run('sacct', args, SACCT.environment), { timeZone }));

  return {
    name: `squeue and sacct in ${binPath}`,

    async queue() {
      const takenAt = instantOfMs(Date.now());
      const text = await run('squeue', SQUEUE.arguments, SQUEUE.environment);
      return { takenAt, ...readingOf(readSqueue(text, { timeZone })) };
    },

    // `now` is that of the clock that Slurm's own times are by.
    history: (sinceSeconds) =>
      sacct([...SACCT.arguments, `--starttime=now-${Math.ceil(sinceSeconds)}seconds`, '--endtime=now']),

    async find(jobIds) {
      const numbers = jobIds.filter((jobId) => /^\d{1,20}$/.test(jobId));
      const found: QueuedJob[] = [];
      for (let start = 0; start < numbers.length; start += ASKED_AT_ONCE) {
        const some = numbers.slice(start, start + ASKED_AT_ONCE).join(',');
        const { jobs, faults } = await sacct([...SACCT.argumentsByJob, `--jobs=${some}`]);
        if (faults.length > 0) throw new Error(`sacct: ${faults[0]}`);
        found.push(...jobs);
      }
      return found;
    },
  };
}

const readingOf = ({ jobs, faults }: { jobs: QueuedJob[]; faults: { line: number; detail: string }[] }): Reading => ({
  jobs,
  faults: faults.map(({ line, detail }) => (detail.startsWith('line ') ? detail : `line ${line}: ${detail}`)),
});
