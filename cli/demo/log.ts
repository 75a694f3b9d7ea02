/** An accounting log as the jobs that the demo replays. */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Resources } from '../../domain/job';
import { readSacct, type SacctRecord } from '../../domain/sacct';
import { jobsOf, type LoggedJob } from '../../domain/sacct-jobs';

export interface Log {
  jobs: LoggedJob[];
  rows: number;
  /** Rows that cannot be replayed, and why. */
  faults: string[];
}

export interface LogOptions {
  timeZone: string;
  columns?: readonly string[] | undefined;
  /** Only this many jobs. */
  most?: number | undefined;
  /** For rows that name none. */
  cluster: string;
}

export async function readLog(file: string, options: LogOptions): Promise<Log> {
  const lines: string[] = [];
  for await (const line of createInterface({ input: createReadStream(file, 'utf8'), crlfDelay: Infinity }))
    lines.push(line);
  return groupRows(lines, options);
}

export function groupRows(lines: readonly string[], options: LogOptions): Log {
  const faults: string[] = [];
  const records: SacctRecord[] = [];
  const { timeZone, columns } = options;
  for (const row of readSacct(lines, { timeZone, ...(columns ? { columns } : {}) })) {
    if ('fault' in row) faults.push(row.fault.message);
    else if (row.record.account === undefined || row.record.partition === undefined) {
      faults.push(`line ${row.line}: names no account or no partition, so nobody can be asked to pay`);
    } else records.push(row.record);
  }
  const jobs = jobsOf(records, options.cluster);
  return { jobs: options.most === undefined ? jobs : jobs.slice(0, options.most), rows: records.length, faults };
}

/** In Slurm's words, for the check and the events. */
export function tresOf({ nodes, cpus, gpus, gpusByModel, memoryMib }: Resources): string {
  const models = Object.entries(gpusByModel).map(([model, count]) => `gres/gpu:${model}=${count}`);
  return [
    `cpu=${cpus}`,
    ...(memoryMib > 0
      ? [`mem=${Number.isInteger(memoryMib) ? `${memoryMib}M` : `${Math.ceil(memoryMib * 1024)}K`}`]
      : []),
    `node=${nodes}`,
    ...(gpus > 0 ? [`gres/gpu=${gpus}`] : []),
    ...models,
  ].join(',');
}
