/** `sacct` as Bursar asks for it, and its records as rows that can be compared with what is known (queue.ts). */
import { given } from './given';
import { readSize, withSubmissions, type QueuedJob } from './queue';
import { readSacct, uidOf, type SacctRecord } from './sacct';
import { byOwnId, closingOf } from './slurm-job';
import { readStamp } from './slurm-stamp';
import { epochMicros, MICROS_PER_SECOND } from './time';

/** No names of jobs, as in squeue.ts; the stamp last, for the site's own words before it may contain the separator. */
const COLUMNS = [
  'JobID',
  'JobIDRaw',
  'Account',
  'User',
  'UID',
  'Partition',
  'Submit',
  'Start',
  'End',
  'Elapsed',
  'State',
  'ExitCode',
  'NNodes',
  'NCPUS',
  'ReqTRES',
  'AllocTRES',
  'Timelimit',
  'NodeList',
  'AdminComment',
] as const;

/** Slurm writes a stamp into its accounting when a job ends; what goes on, the queue tells. But not what size it had before: RS. */
const ENDED = 'CD,F,CA,TO,NF,OOM,PR,BF,DL,RQ,RV,RS';

export const SACCT = {
  columns: COLUMNS,
  /** Followed by `-S now-<seconds>seconds -E now`, which is by the clock of the machine that runs it. */
  arguments: [
    ...['--allusers', '--allocations', '--duplicates', '--parsable2', '--noconvert'],
    ...[`--state=${ENDED}`, `--format=${COLUMNS.join(',')}`],
  ],
  /** Of certain jobs, whatever their state: with `--jobs=`. */
  argumentsByJob: ['--allocations', '--duplicates', '--parsable2', '--noconvert', `--format=${COLUMNS.join(',')}`],
  environment: { SLURM_TIME_FORMAT: '%s' },
} as const;

export interface HistoryReading {
  jobs: QueuedJob[];
  /** Rows that could not be read. */
  faults: { line: number; detail: string }[];
}

/** Reads what `sacct` printed. `timeZone` is for one that was run without SLURM_TIME_FORMAT. */
export function readHistory(text: string, { timeZone }: { timeZone: string }): HistoryReading {
  const reading: HistoryReading = { jobs: [], faults: [] };
  for (const read of readSacct(text.split('\n'), { timeZone, columns: COLUMNS })) {
    if ('fault' in read) reading.faults.push({ line: read.line, detail: read.fault.message });
    // An array that has not been split up is listed with the tasks that it had at first.
    else if (read.record.id.arrayTasks === undefined && !isHalfWritten(read.record)) {
      reading.jobs.push(rowOf(read.record));
    }
  }
  return { ...reading, jobs: withSubmissions(reading.jobs) };
}

/**
 * slurmdbd has heard of the end and not yet of the start, as after it was away. It will fill in the rest, and among that of which
 * array this is a task: until then the task would be taken for a job of its own. Any look after that finds it whole.
 */
const isHalfWritten = ({ fields }: SacctRecord): boolean => fields.timelimit === '' && fields.partition === '';

function rowOf(record: SacctRecord): QueuedJob {
  const { id, state, startedAt, fields } = record;
  // The job has not ended where only a size of it has.
  const endedAt = state.isResized ? undefined : record.endedAt;
  const lasted =
    startedAt === undefined || endedAt === undefined
      ? undefined
      : Number((epochMicros(endedAt) - epochMicros(startedAt)) / MICROS_PER_SECOND);
  return {
    ...byOwnId(id, fields.jobidraw),
    phase: state.phase === 'requeued' ? 'ended' : state.phase,
    ...readSize(record.submittedAt, startedAt, state),
    ...given({
      endState: state.endState,
      ...otherWhoCancelled(record),
      closing: closingOf(state),
      startedAt,
      endedAt,
      activeSeconds: lasted === undefined ? undefined : lasted - record.suspendedSeconds,
      account: record.account,
      user: record.user,
      partition: record.partition?.includes(',') ? undefined : record.partition,
      stamp: readStamp(fields.admincomment ?? ''),
      resources: startedAt === undefined ? undefined : record.allocated,
      timeLimitSeconds: record.timeLimit.wallSeconds,
    }),
  };
}

/** Its own user's cancel is nothing to tell; whose job root cancelled need not be known. */
function otherWhoCancelled(record: SacctRecord): Pick<QueuedJob, 'cancelledBy' | 'uid'> {
  const [{ cancelledBy }, uid] = [record.state, uidOf(record)];
  if (cancelledBy === undefined || cancelledBy === String(uid)) return {};
  return { cancelledBy, ...(cancelledBy === '0' || uid === undefined ? {} : { uid }) };
}
