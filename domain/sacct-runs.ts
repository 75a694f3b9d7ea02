/**
 * The runs of an accounting log, for logs of tens of millions of lines: what `readSacct` says of a row, as far as a run that is
 * over is concerned, a hundred thousand times a second. Texts repeat (days, states, lists of resources), so each is understood once.
 */
import { Fault, malformed } from './faults';
import type { Resources } from './job';
import { TEXTS_KEPT, remembered } from './remembered';
import {
  UnusableColumns,
  XDMOD_COLUMNS,
  allocatedOf,
  headingOf,
  normalName,
  readHeader,
  requireColumns,
  usableOf,
} from './sacct';
import { byOwnId, componentIdOf, joinJobId, readJobId, readState, type SlurmState } from './slurm-job';
import { isClockText, pairReadings, readTime } from './slurm-clock';
import { readElapsed } from './slurm-time';
import { epochMicros, readLocalTime, type LocalReading } from './time';

/** One run that is over. Times are microseconds since 1970; as numbers, which hold them exactly until the year 2255. */
export interface SacctRun {
  line: number;
  /** 123, 123_4, or the own id of a component of a heterogeneous job; 123+1 where the log does not say that. */
  jobId: string;
  /** Of a component, the other of these two names: Bursar may know it by that. */
  otherId: string | undefined;
  account: string;
  partition: string | undefined;
  user: string | undefined;
  /** COMPLETED, …; REQUEUED where the job runs again, RESIZED where it goes on with another size. */
  endState: string;
  /** The uid that cancelled it, and its own, where the two are known to differ or the latter is not known. */
  cancelledBy?: string;
  uid?: number;
  submittedAt: number;
  startedAt: number;
  endedAt: number;
  /** Of a job that was resized: when the run began of which this is the time of one size. */
  runStartedAt?: number;
  suspendedMicros: number;
  /** Rows with the same text share one. */
  resources: Resources;
  /** A local time that the clock showed twice, or never, was read (rulings 17). */
  hasUncertainTime: boolean;
}

/** Why a row is no run that is over. `running`: or nobody has said when it ended. `revoked`: it ran elsewhere in the federation. */
export const NO_RUN = ['step', 'waiting', 'never_ran', 'running', 'revoked', 'other_cluster'] as const;
export type NoRun = (typeof NO_RUN)[number];

export interface RunReaderOptions {
  /** The IANA zone of the log's clock. */
  timeZone: string;
  /** Columns in order, for a log without a header. */
  columns?: readonly string[];
  /** No run ends later than this. Micros; undefined: nobody looks. */
  latest?: number;
  /** What the log calls the cluster; rows of others are passed over. Undefined: all are taken. */
  cluster?: string;
}

export interface RunReader {
  /** Undefined: an empty line or a header, which names the columns from here on. Throws a Fault that names line and column, or says which columns a header lacks (`UnusableColumns`). */
  read(text: string, line: number): SacctRun | NoRun | undefined;
  /** A row that was taken apart already, in the order of the columns. */
  readFields(values: readonly string[], line: number): SacctRun | NoRun;
  /** From here on rows have these columns. */
  use(columns: readonly string[]): void;
  /** In order, lower case. */
  readonly columns: readonly string[];
  /** Names of other clusters that were met. */
  readonly otherClusters: ReadonlySet<string>;
}

/** A run is from when to when; rows without either would all be jobs that never ran. */
const NEEDED_OF_RUNS = ['Start', 'End'];

/** A run longer than this has a wrong start time. */
const LONGEST_RUN_MICROS = 3_660 * 86_400_000_000;

export function openRunReader({ timeZone, columns, cluster, latest = Infinity }: RunReaderOptions): RunReader {
  // What a run had is nearly always all in AllocTRES.
  const bySelf = new Map<string, Resources>();
  const byAll = new Map<string, Resources>();
  let names: readonly string[] = [];
  let at = placesOf(names);
  const require = (named: readonly string[], where: string) => {
    requireColumns(named, NEEDED_OF_RUNS, where);
    if (named.includes('jobid')) return;
    const why = 'JobIDRaw alone does not say which rows are tasks of one array';
    throw new UnusableColumns(named, `${where} has no column JobID; ${why}`);
  };
  const use = (named: readonly string[], where = 'the list of columns') => {
    require(named, where);
    names = named;
    at = placesOf(named);
    bySelf.clear();
  };
  use((columns ?? XDMOD_COLUMNS).map(normalName));

  const readClock = clockOf(timeZone);
  const stateOf = remembered((text): ReadState => ({
    ...readState(text),
    isRevoked: /^(?:REVOKED|RV)\b/i.test(text),
  }));
  const otherClusters = new Set<string>();
  const wanted = cluster?.toLowerCase();

  // The row that is read, as fields or as one text: most of its columns nobody asks for, so they are not cut out of it.
  let cells: readonly string[] | undefined;
  let row = '';
  const starts: number[] = [];

  function field(place: number): string {
    if (place < 0) return '';
    const text = cells ? (cells[place] ?? '') : row.slice(starts[place], (starts[place + 1] ?? 0) - 1);
    return isTrimmed(text) ? text : text.trim();
  }

  /** Where the fields of a text begin, and how many there are. */
  function cut(text: string): number {
    row = text;
    cells = undefined;
    let count = 1;
    starts[0] = 0;
    for (let bar = text.indexOf('|'); bar >= 0; bar = text.indexOf('|', bar + 1)) starts[count++] = bar + 1;
    starts[count] = text.length + 1;
    return count;
  }

  function resources(): Resources {
    const allocated = field(at.alloctres);
    const known = bySelf.get(allocated);
    if (known) return known;
    const isWhole = at.allocgres < 0 && KINDS.every((kind) => allocated.includes(kind));
    const fields = Object.fromEntries(RESOURCE_COLUMNS.map((name) => [name, field(at[name])]));
    const key = isWhole ? allocated : Object.values(fields).join('|');
    const memory = isWhole ? bySelf : byAll;
    const read = memory.get(key) ?? allocatedOf(fields);
    if (memory.size >= TEXTS_KEPT) memory.clear();
    memory.set(key, read);
    return read;
  }

  /** Of the row that was cut last. `column.name` is the one that is read, for who has to say what is wrong with it. */
  function readCells(line: number, column: { name: string }): SacctRun | NoRun {
    if (wanted !== undefined && at.cluster >= 0) {
      const written = field(at.cluster);
      if (written !== '' && written !== cluster && written.toLowerCase() !== wanted) {
        if (otherClusters.size < 100) otherClusters.add(written);
        return 'other_cluster';
      }
    }
    column.name = 'JobID';
    const id = field(at.jobid) || field(at.jobidraw);
    if (id.includes('.')) {
      readJobId(id);
      return 'step';
    }
    const named: Named = PLAIN_ID.test(id) ? { jobId: id } : namesOf(id, field(at.jobidraw));
    column.name = 'State';
    const state = stateOf(field(at.state));
    if (state.isRevoked) return 'revoked';
    column.name = 'Submit';
    const submitted = readClock(field(at.submit));
    if (!submitted) throw malformed('a job has a time of submission; it looks like 2026-03-02T14:31:51');
    column.name = 'Start';
    const start = readClock(field(at.start));
    column.name = 'End';
    const end = readClock(field(at.end));
    if (state.phase === 'pending') return 'waiting';
    if (!start || !gotNodes(start.at, end?.at)) return state.phase === 'requeued' ? 'waiting' : 'never_ran';
    // Slurm writes a row for each size that a job has had; that of an earlier one has an end.
    const isOver = end && (state.isResized || (state.phase !== 'running' && state.phase !== 'suspended'));
    if (!isOver) return 'running';
    let [startedAt, endedAt, isUncertain] = [start.at, end.at, start.isUncertain || end.isUncertain];
    if (start.second !== undefined || end.second !== undefined) {
      column.name = 'Elapsed';
      const said = activeAndSuspended();
      const { startIsSecond, endIsSecond, isSure } = pairReadings(start, end, said);
      if (startIsSecond) startedAt = start.second ?? start.at;
      if (endIsSecond) endedAt = end.second ?? end.at;
      isUncertain = !isSure || isNever(start) || isNever(end);
      column.name = 'End';
    }
    const lasted = endedAt - startedAt;
    if (lasted < 0) throw malformed('the job would have ended before it started');
    if (endedAt > latest) throw malformed('the job would have ended in the future');
    if (lasted > LONGEST_RUN_MICROS) {
      column.name = 'Start';
      throw malformed('the job would have run for more than ten years');
    }
    column.name = 'Elapsed';
    const suspended = suspendedMicros(lasted);
    // And the rows of later sizes say when the size began in place of when the job was submitted (22.05).
    const isLaterSize = startedAt < submitted.at && submitted.at <= endedAt && start.second === undefined;
    const from = isLaterSize ? submitted.at : startedAt;
    column.name = 'AllocTRES';
    return {
      line,
      jobId: named.jobId,
      otherId: named.otherId,
      account: field(at.account),
      partition: field(at.partition) || undefined,
      user: field(at.user) || undefined,
      endState: state.isResized ? 'RESIZED' : (state.endState ?? 'REQUEUED'),
      ...(state.cancelledBy === undefined ? {} : whoCancelled(state.cancelledBy, field(at.uid), field(at.user))),
      submittedAt: submitted.at,
      startedAt: from,
      endedAt,
      ...((state.isResized || isLaterSize) && { runStartedAt: startedAt }),
      suspendedMicros: Math.min(endedAt - from, suspended),
      resources: resources(),
      hasUncertainTime: submitted.isUncertain || isUncertain,
    };
  }

  /** Slurm gives a job that was cancelled while it waited a start as well; but no node, and no time. */
  function gotNodes(start: number, end: number | undefined): boolean {
    if (at.nodelist >= 0) {
      const list = field(at.nodelist);
      return list.length > LONGEST_NO_NODES || !NO_NODES.has(list.toLowerCase());
    }
    if (at.alloctres >= 0) return field(at.alloctres) !== '';
    return end === undefined || start < end;
  }

  /** From the start to the end, by what the row says of the time between them. */
  function activeAndSuspended(): number | undefined {
    const [elapsed, suspended] = [field(at.elapsed), field(at.suspended)];
    if (elapsed === '') return undefined;
    return (readElapsed(elapsed) + (suspended === '' ? 0 : readElapsed(suspended))) * 1e6;
  }

  function suspendedMicros(lasted: number): number {
    const said = field(at.suspended);
    const elapsed = said ? '' : field(at.elapsed);
    const micros = said ? readElapsed(said) * 1e6 : elapsed ? lasted - readElapsed(elapsed) * 1e6 : 0;
    return Math.min(lasted, Math.max(0, micros));
  }

  function readRow(line: number): SacctRun | NoRun {
    const column = { name: '' };
    try {
      return readCells(line, column);
    } catch (error) {
      throw error instanceof Fault ? located(error, line, `column ${column.name}: `) : error;
    }
  }

  function read(text: string, line: number): SacctRun | NoRun | undefined {
    const written = text.endsWith('\r') ? text.slice(0, -1) : text;
    const first = written.charCodeAt(0);
    // An id begins with a digit, a header with a letter.
    if (!(first >= 48 && first <= 57)) {
      if (written.trim() === '') return undefined;
      const header = readHeader(written);
      if (header) {
        use(usableOf(header, columns, () => require(header, headingOf(line))));
        return undefined;
      }
    }
    let count = cut(written);
    if (count === names.length + 1 && written.endsWith('|')) count -= 1; // `sacct -p` ends each line so.
    if (count > names.length && names.at(-1) === 'jobname') count = names.length;
    if (count !== names.length) {
      const hint = 'list JobName as the last column if names contain "|"';
      throw located(malformed(`has ${count} fields instead of ${names.length}; ${hint}`), line, '');
    }
    return readRow(line);
  }

  return {
    read(text, line) {
      refuseNul(text, line);
      return read(text, line);
    },
    readFields(values, line) {
      for (const value of values) refuseNul(value, line);
      cells = values;
      return readRow(line);
    },
    use,
    get columns() {
      return names;
    },
    otherClusters,
  };
}

const RESOURCE_COLUMNS = ['alloctres', 'reqtres', 'nnodes', 'ncpus', 'reqcpus', 'reqmem', 'allocgres'] as const;
/** Where each column is that is read here; -1: nowhere. The last of two that have one name. */
const placesOf = (named: readonly string[]) => {
  const place = (name: string) => named.lastIndexOf(name);
  return {
    alloctres: place('alloctres'),
    reqtres: place('reqtres'),
    nnodes: place('nnodes'),
    ncpus: place('ncpus'),
    reqcpus: place('reqcpus'),
    reqmem: place('reqmem'),
    allocgres: place('allocgres'),
    jobid: place('jobid'),
    jobidraw: place('jobidraw'),
    cluster: place('cluster'),
    account: place('account'),
    partition: place('partition'),
    user: place('user'),
    uid: place('uid'),
    state: place('state'),
    submit: place('submit'),
    start: place('start'),
    end: place('end'),
    elapsed: place('elapsed'),
    suspended: place('suspended'),
    nodelist: place('nodelist'),
  };
};

/** Letters that are no blanks at both ends; others are looked at more closely. */
const isTrimmed = (text: string): boolean => isInk(text.charCodeAt(0)) && isInk(text.charCodeAt(text.length - 1));
const isInk = (code: number): boolean => code > 32 && code < 127;

/** No text of PostgreSQL may hold one, and its refusal would be one of all rows that are sent with this one. */
function refuseNul(text: string, line: number): void {
  if (text.includes('\0')) throw located(malformed('has a NUL (a byte 0), which no log of sacct has'), line, '');
}

function whoCancelled(cancelledBy: string, own: string, user: string): Pick<SacctRun, 'cancelledBy' | 'uid'> {
  if (cancelledBy === own || (cancelledBy === '0' && user === 'root')) return {};
  return { cancelledBy, ...(/^\d{1,10}$/.test(own) && { uid: Number(own) }) };
}

const KINDS = ['cpu=', 'mem=', 'node='];

const PLAIN_ID = /^\d{1,20}(?:_\d{1,20})?$/;
const NO_NODES = new Set(['', 'none', 'none assigned', 'unknown', '(null)']);
const LONGEST_NO_NODES = 'none assigned'.length;

type Named = Pick<SacctRun, 'jobId'> & Partial<Pick<SacctRun, 'otherId'>>;

function namesOf(text: string, own: string): Named {
  const written = readJobId(text);
  const jobId = joinJobId(byOwnId(written, own));
  if (!written.task.startsWith('+')) return { jobId };
  const asWritten = joinJobId(written);
  return { jobId, otherId: jobId === asWritten ? componentIdOf(written) : asWritten };
}

function located(fault: Fault, line: number, where: string): Fault {
  const said = fault.message.startsWith('column ') ? fault.message : `${where}${fault.message}`;
  return new Fault(fault.code, `line ${line}: ${said}`, { facts: { line } });
}

interface ReadState extends SlurmState {
  isRevoked: boolean;
}

// Times -----------------------------------------------------------------------------------------------------------------

interface ClockReading {
  at: number;
  second: number | undefined;
  isUncertain: boolean;
}

/** The clocks were set past that time, so neither reading of it is right. */
const isNever = ({ isUncertain, second }: ClockReading): boolean => isUncertain && second === undefined;

/** Local times: on a day on which no clock is set a second is a second, and the zone is asked once for all of them. */
function clockOf(timeZone: string): (text: string) => ClockReading | undefined {
  const wholeDay = remembered((day: string): number | null => {
    const [first, last] = [readLocalTime(`${day}T00:00:00`, timeZone), readLocalTime(`${day}T23:59:59`, timeZone)];
    if (first.flag !== undefined || last.flag !== undefined) return null;
    const from = Number(epochMicros(first.at));
    return Number(epochMicros(last.at)) - from === 86_399_000_000 ? from : null;
  });
  const slowly = remembered((text: string): ClockReading | null => {
    const reading: LocalReading | undefined = readTime(text, timeZone);
    if (!reading) return null;
    return {
      at: Number(epochMicros(reading.at)),
      isUncertain: reading.flag !== undefined,
      second: reading.second === undefined ? undefined : Number(epochMicros(reading.second)),
    };
  });
  // Rows of a log follow each other in about the order of time.
  let [lastDay, lastFrom] = [-1, null as number | null];
  return (text) => {
    if (isClockText(text)) {
      const [hour, minute, second] = [digits(text, 11), digits(text, 14), digits(text, 17)];
      if (hour < 24 && minute < 60 && second < 60) {
        const day = (digits(text, 0) * 100 + digits(text, 2)) * 10_000 + digits(text, 5) * 100 + digits(text, 8);
        if (day !== lastDay) [lastFrom, lastDay] = [wholeDay(text.slice(0, 10)), day];
        if (lastFrom !== null)
          return { at: lastFrom + (hour * 3600 + minute * 60 + second) * 1e6, second: undefined, isUncertain: false };
      }
    } else if (EPOCH_TEXT.test(text)) return { at: Number(text) * 1e6, second: undefined, isUncertain: false };
    return slowly(text) ?? undefined;
  };
}

const EPOCH_TEXT = /^\d{9,11}$/;

/** Two digits of a text. */
const digits = (text: string, at: number): number => text.charCodeAt(at) * 10 + text.charCodeAt(at + 1) - 528;
