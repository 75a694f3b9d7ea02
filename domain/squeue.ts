/**
 * `squeue` as Bursar asks for it, and its answer as a listing of the queue. Whoever runs it, here or beside the controller,
 * runs it with these arguments and this environment; `bursar` then reads the text as it came.
 *
 * Names of jobs are not asked for: a user writes them, and one with a line break in it would be a row of its own.
 */
import { Fault, malformed, shorten } from './faults';
import { given } from './given';
import type { QueuedJob } from './queue';
import { namesNodes, readArrayTasks, readJobId, readState } from './slurm-job';
import { readTres } from './slurm-resources';
import { readStamp } from './slurm-stamp';
import { readTime } from './slurm-clock';
import { readElapsed, readTimeLimit } from './slurm-time';

/** The stamp last: the site's own words before it may contain the separator. */
const COLUMNS = [
  'JobArrayID',
  'JobID',
  'HetJobID',
  'State',
  'SubmitTime',
  'StartTime',
  'EndTime',
  'TimeUsed',
  'TimeLimit',
  'Account',
  'UserName',
  'Partition',
  'NodeList',
  'tres-alloc',
  'admin_comment',
] as const;

/** Zero is as wide as it needs to be: a column that is cut off would cut off the stamp. */
const FORMAT = COLUMNS.map((column, i) => `${column}:0${i + 1 < COLUMNS.length ? '|' : ''}`).join(',');

export const SQUEUE = {
  format: FORMAT,
  arguments: ['--noheader', '--all', '--states=all', '--local', `--Format=${FORMAT}`],
  /** Times in seconds since 1970, and lists of array tasks that are not cut off at 64 characters. */
  environment: { SLURM_TIME_FORMAT: '%s', SLURM_BITSTR_LEN: '0' },
} as const;

export interface QueueReading {
  jobs: QueuedJob[];
  /** Rows that could not be read: the listing is then not known to be whole. */
  faults: { line: number; detail: string }[];
}

/** Reads what `squeue` printed. `timeZone` is for one that was run without SLURM_TIME_FORMAT. */
export function readSqueue(text: string, { timeZone }: { timeZone: string }): QueueReading {
  const reading: QueueReading = { jobs: [], faults: [] };
  let line = 0;
  for (const row of text.split('\n')) {
    line += 1;
    if (row.trim() === '' || /^JOBID\||^JOB_?ARRAY_?ID/i.test(row)) continue;
    try {
      const job = readRow(row.replace(/\r$/, ''), timeZone);
      if (job) reading.jobs.push(job);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      reading.faults.push({ line, detail: error.message });
    }
  }
  return reading;
}

type Column = (typeof COLUMNS)[number];

function readRow(row: string, timeZone: string): QueuedJob | undefined {
  const values = row.split('|');
  if (values.length < COLUMNS.length) {
    throw malformed(
      `"${shorten(row)}" has ${values.length} fields instead of ${COLUMNS.length}; print it with --Format=${FORMAT}`,
    );
  }
  const ahead = COLUMNS.length - 1;
  const fields = [...values.slice(0, ahead), values.slice(ahead).join('|')];
  const field = (name: Column): string => {
    const text = (fields[COLUMNS.indexOf(name)] ?? '').trim();
    return /^(\(null\)|n\/a|none)$/i.test(text) ? '' : text;
  };
  const time = (name: Column) => readTime(field(name), timeZone)?.at;

  const state = readState(field('State'));
  const submittedAt = time('SubmitTime');
  if (submittedAt === undefined) throw malformed(`"${shorten(row)}" does not say when it was submitted`);
  const phase = state.phase === 'requeued' ? 'pending' : state.phase;
  // What waits is listed with the start that is planned for it, and what runs with the end that its limit allows. What is being
  // cleaned up may have been requeued: then its submission is the next one already, and its start still that of the last run.
  const isCompleting = /^(COMPLETING|CG)$/i.test(field('State'));
  const hasRun = phase !== 'pending' && !isCompleting && namesNodes(field('NodeList'));
  return {
    ...idOf(field('JobArrayID'), field('JobID'), field('HetJobID')),
    phase,
    submittedAt,
    ...given({
      endState: state.endState,
      startedAt: hasRun ? time('StartTime') : undefined,
      endedAt: phase === 'ended' ? time('EndTime') : undefined,
      activeSeconds: hasRun && /^[\d:-]+$/.test(field('TimeUsed')) ? readElapsed(field('TimeUsed')) : undefined,
      account: field('Account') || undefined,
      user: field('UserName') || undefined,
      partition: onePartition(field('Partition')),
      stamp: readStamp(field('admin_comment')),
      resources: hasRun ? allocated(field('tres-alloc')) : undefined,
      timeLimitSeconds: readTimeLimit(field('TimeLimit')).wallSeconds,
    }),
  };
}

/** Each component of a heterogeneous job has a hold of its own, so it goes by its own id. */
function idOf(written: string, own: string, leader: string): Pick<QueuedJob, 'jobId' | 'task' | 'arrayTasks'> {
  if (leader !== '' && leader !== '0') return { jobId: readJobId(own).jobId, task: '' };
  const list = /^(\d{1,20})_\[([^[\]]+)\]$/.exec(written);
  if (list) return { jobId: list[1] ?? '', task: '', arrayTasks: readArrayTasks(list[2] ?? '') };
  const { jobId, task } = readJobId(written);
  return { jobId, task };
}

/** A job that waits may be listed with all partitions that it would take. */
export const onePartition = (text: string): string | undefined =>
  text === '' || text.includes(',') ? undefined : text;

/** What a job has. A kind of resource that a newer Slurm invents must not hide the job from us. */
export function allocated(tres: string): QueuedJob['resources'] {
  try {
    const { nodes, cpus, gpus, gpusByModel, memoryMib } = readTres(tres);
    if (cpus === undefined) return undefined;
    return { nodes: nodes ?? 1, cpus, gpus: gpus ?? 0, gpusByModel, memoryMib: memoryMib ?? 0 };
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}
