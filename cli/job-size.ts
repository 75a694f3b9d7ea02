/** How large a job is, in the words of `check` and `quick-check`. */
import type { Command } from 'commander';
import { whole } from './typed';

export interface SizeOptions {
  nodes?: string;
  cpus?: string;
  gpus?: string;
  memory?: string;
}

export const withSize = (command: Command): Command =>
  command
    .option('--nodes <n>', 'nodes', '1')
    .option('--cpus <n>', 'CPUs of the whole job', '1')
    .option('--gpus <n>', 'GPUs of the whole job')
    .option('--memory <size>', 'memory of the whole job, like 64GB');

export const sizeOf = ({ nodes, cpus, gpus, memory }: SizeOptions) => ({
  nodes: whole(nodes),
  cpus: whole(cpus),
  gpus: whole(gpus),
  memory,
});
