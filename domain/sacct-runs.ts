/**
 * The runs of an accounting log, for logs of tens of millions of lines: what `readSacct` says of a row, as far as a run that is
 * over is concerned, a hundred thousand times a second. Texts repeat (days, states, lists of resources), so each is understood once.
 */
import { Fault, malformed } from './faults';
import type { Resources } from './job';
import { XDMOD_COLUMNS, allocatedOf, normalName, readHeader, requireColumns } from './sacct';
import { byOwnId, componentIdOf, joinJobId, readJobId, readState, type SlurmState } from './slurm-job';
import { readTime } from './slurm-clock';
import { readElapsed } from './slurm-time';
import { epochMicros, readLocalTime, type LocalReading } from './time';

/** One run that is over. Times are microseconds since 1970; as numbers, which hold them exactly until the year 2255. */
export interface SacctRun {
  line: number;
  /** 123, 123_4, or the own id of a component of a heterogeneous job; 123+1 where the log does not say that. */
  jobId: string;
  /** Of a component, the other of these two names: Bursar may know it by that. */
  otherId?: string;
  account: string;
  partition: string | undefined;
  user: string | undefined;
  /** COMPLETED, …; REQUEUED where the job runs again. */
  endState: string;
  submittedAt: number;
  startedAt: number;
  endedAt: number;
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
  /** What the log calls the cluster; rows of others are passed over. Undefined: all are taken. */
  cluster?: string;
}

export interface RunReader {
  /** Undefined: an empty line or a header, which names the columns from here on. Throws a Fault that names line and column. */
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

/** A run longer than this has a wrong start time. */
const LONGEST_RUN_MICROS = 3_660 * 86_400_000_000;

export function openRunReader({ timeZone, columns, cluster }: RunReaderOptions): RunReader {
  // What a run had is nearly always all in AllocTRES.
  const bySelf = new Map<string, Resources>();
  const byAll = new Map<string, Resources>();
  let names: readonly string[] = [];
  let at: Partial<Record<string, number>> = {};
  const use = (named: readonly string[]) => {
    requireColumns(named);
    if (!named.includes('jobid')) {
      throw malformed('the log has no column JobID; JobIDRaw alone does not say which rows are tasks of one array');
    }
    names = named;
    at = Object.fromEntries(named.map((name, index) => [name, index]));
    bySelf.clear();
  };
  use((columns ?? XDMOD_COLUMNS).map(normalName));

  const readClock = clockOf(timeZone);
  const stateOf = remembered((text): ReadState => ({ ...readState(text), isRevoked: /^(?:REVOKED|RV)\b/i.test(text) }));
  const otherClusters = new Set<string>();
  const wanted = cluster?.toLowerCase();

  function resourcesOf(values: readonly string[]): Resources {
    const allocated = field(values, 'alloctres');
    const known = bySelf.get(allocated);
    if (known) return known;
    const isWhole = at.allocgres === undefined && KINDS.every((kind) => allocated.includes(kind));
    const fields = Object.fromEntries(RESOURCE_COLUMNS.map((name) => [name, field(values, name)]));
    const key = isWhole ? allocated : Object.values(fields).join('|');
    const memory = isWhole ? bySelf : byAll;
    const read = memory.get(key) ?? allocatedOf(fields);
    if (memory.size >= KEPT) memory.clear();
    memory.set(key, read);
    return read;
  }

  function field(values: readonly string[], name: string): string {
    const index = at[name];
    return index === undefined ? '' : (values[index] ?? '').trim();
  }

  const column = <T>(name: string, line: number, read: () => T): T => {
    try {
      return read();
    } catch (error) {
      throw error instanceof Fault ? located(error, line, `column ${name}: `) : error;
    }
  };

  function readFields(values: readonly string[], line: number): SacctRun | NoRun {
    if (wanted !== undefined && at.cluster !== undefined) {
      const written = field(values, 'cluster');
      if (written !== '' && written.toLowerCase() !== wanted) {
        if (otherClusters.size < 100) otherClusters.add(written);
        return 'other_cluster';
      }
    }
    const id = field(values, 'jobid') || field(values, 'jobidraw');
    if (id.includes('.')) {
      column('JobID', line, () => readJobId(id));
      return 'step';
    }
    const names = PLAIN_ID.test(id)
      ? { jobId: id }
      : column('JobID', line, () => namesOf(id, field(values, 'jobidraw')));
    const state = column('State', line, () => stateOf(field(values, 'state')));
    if (state.isRevoked) return 'revoked';
    const submitted = column('Submit', line, () => readClock(field(values, 'submit')));
    if (!submitted) {
      throw located(
        malformed('a job has a time of submission; it looks like 2026-03-02T14:31:51'),
        line,
        'column Submit: ',
      );
    }
    const start = column('Start', line, () => readClock(field(values, 'start')));
    const end = column('End', line, () => readClock(field(values, 'end')));
    if (state.phase === 'pending') return 'waiting';
    if (!start || !gotNodes(values, start.at, end?.at)) return state.phase === 'requeued' ? 'waiting' : 'never_ran';
    if (!end || state.phase === 'running' || state.phase === 'suspended') return 'running';
    // In the hour that comes twice the first reading may lie before the start; then it was the second.
    const endedAt = end.at < start.at && end.second !== undefined ? end.second : end.at;
    const lasted = endedAt - start.at;
    if (lasted < 0) throw located(malformed('the job would have ended before it started'), line, 'column End: ');
    if (lasted > LONGEST_RUN_MICROS) {
      throw located(malformed('the job would have run for more than ten years'), line, 'column Start: ');
    }
    return {
      line,
      ...names,
      account: field(values, 'account'),
      partition: field(values, 'partition') || undefined,
      user: field(values, 'user') || undefined,
      endState: state.endState ?? 'REQUEUED',
      submittedAt: submitted.at,
      startedAt: start.at,
      endedAt,
      suspendedMicros: column('Elapsed', line, () => suspendedMicros(values, lasted)),
      resources: column('AllocTRES', line, () => resourcesOf(values)),
      hasUncertainTime: submitted.isUncertain || start.isUncertain || end.isUncertain,
    };
  }

  /** Slurm gives a job that was cancelled while it waited a start as well; but no node, and no time. */
  function gotNodes(values: readonly string[], start: number, end: number | undefined): boolean {
    if (at.nodelist !== undefined) return !NO_NODES.has(field(values, 'nodelist').slice(0, 20).toLowerCase());
    if (at.alloctres !== undefined) return field(values, 'alloctres') !== '';
    return end === undefined || start < end;
  }

  function suspendedMicros(values: readonly string[], lasted: number): number {
    const said = field(values, 'suspended');
    const elapsed = said ? '' : field(values, 'elapsed');
    const micros = said ? readElapsed(said) * 1e6 : elapsed ? lasted - readElapsed(elapsed) * 1e6 : 0;
    return Math.min(lasted, Math.max(0, micros));
  }

  function read(text: string, line: number): SacctRun | NoRun | undefined {
    const written = text.endsWith('\r') ? text.slice(0, -1) : text;
    const first = written.charCodeAt(0);
    // An id begins with a digit, a header with a letter.
    if (!(first >= 48 && first <= 57)) {
      if (written.trim() === '') return undefined;
      const header = readHeader(written);
      if (header) {
        use(header);
        return undefined;
      }
    }
    let values = written.split('|');
    if (values.length === names.length + 1 && values.at(-1) === '') values.pop(); // `sacct -p` ends each line so.
    if (values.length > names.length && names.at(-1) === 'jobname') values = values.slice(0, names.length);
    if (values.length !== names.length) {
      const hint = 'list JobName as the last column if names contain "|"';
      throw located(malformed(`has ${values.length} fields instead of ${names.length}; ${hint}`), line, '');
    }
    return readFields(values, line);
  }

  return {
    read(text, line) {
      refuseNul(text, line);
      return read(text, line);
    },
    readFields(values, line) {
      for (const value of values) refuseNul(value, line);
      return readFields(values, line);
    },
    use,
    get columns() {
      return names;
    },
    otherClusters,
  };
}

/** No text of PostgreSQL may hold one, and its refusal would be one of all rows that are sent with this one. */
function refuseNul(text: string, line: number): void {
  if (text.includes('\0')) throw located(malformed('has a NUL (a byte 0), which no log of sacct has'), line, '');
}

const RESOURCE_COLUMNS = ['alloctres', 'reqtres', 'nnodes', 'ncpus', 'reqcpus', 'reqmem', 'allocgres'];
const KINDS = ['cpu=', 'mem=', 'node='];

const PLAIN_ID = /^\d{1,20}(?:_\d{1,20})?$/;
const NO_NODES = new Set(['', 'none', 'none assigned', 'unknown', '(null)']);

function namesOf(text: string, own: string): Pick<SacctRun, 'jobId' | 'otherId'> {
  const written = readJobId(text);
  const jobId = joinJobId(byOwnId(written, own));
  if (!written.task.startsWith('+')) return { jobId };
  const asWritten = joinJobId(written);
  return { jobId, otherId: jobId === asWritten ? componentIdOf(written) : asWritten };
}

function located(fault: Fault, line: number, where: string): Fault {
  const said = fault.message.startsWith(where) ? fault.message : `${where}${fault.message}`;
  return new Fault(fault.code, `line ${line}: ${said}`, { facts: { line } });
}

interface ReadState extends SlurmState {
  isRevoked: boolean;
}

// What is remembered -------------------------------------------------------------------------------------------------------

const KEPT = 50_000;

/** Texts of a log repeat; a log that has too many different ones is no reason to run out of memory. */
function remembered<T>(read: (text: string) => T): (text: string) => T {
  const known = new Map<string, T>();
  return (text) => {
    const found = known.get(text);
    if (found !== undefined) return found;
    const value = read(text);
    if (known.size >= KEPT) known.clear();
    known.set(text, value);
    return value;
  };
}

interface ClockReading {
  at: number;
  second?: number;
  isUncertain: boolean;
}

const SECONDS_TEXT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/;

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
      ...(reading.second === undefined ? {} : { second: Number(epochMicros(reading.second)) }),
    };
  });
  return (text) => {
    if (text.length === 19 && SECONDS_TEXT.test(text)) {
      const [hour, minute, second] = [digits(text, 11), digits(text, 14), digits(text, 17)];
      const day = hour < 24 && minute < 60 && second < 60 ? wholeDay(text.slice(0, 10)) : null;
      if (day !== null) return { at: day + (hour * 3600 + minute * 60 + second) * 1e6, isUncertain: false };
    } else if (EPOCH_TEXT.test(text)) return { at: Number(text) * 1e6, isUncertain: false };
    return slowly(text) ?? undefined;
  };
}

const EPOCH_TEXT = /^\d{9,11}$/;

/** Two digits of a text. */
const digits = (text: string, at: number): number => text.charCodeAt(at) * 10 + text.charCodeAt(at + 1) - 528;
