/**
 * `sacct -P` output as records, and records as job events.
 *
 * With a header, its columns are taken from there; without one, they are given, or are the 26 of XDMoD's shredder. Lines
 * are read one by one and a line that cannot be read does not stop the others: an accounting log is history, and one
 * mangled row in a million must not keep the rest from being charged.
 */
import { Fault, malformed, shorten } from './faults';
import { given } from './given';
import type { EndState, Resources } from './job';
import { nearestOf } from './nearest';
import { TEXTS_KEPT, remembered } from './remembered';
import { namesNodes, readJobId, readState, type SlurmJobId, type SlurmState } from './slurm-job';
import { jobMemoryMib, parseCount, readGres, readMemory, readTres, type Tres } from './slurm-resources';
import { pairReadings, readTime } from './slurm-clock';
import { readElapsed, readTimeLimit, type TimeLimit } from './slurm-time';
import { MICROS_PER_SECOND, compareInstants, epochMicros, type Instant, type LocalReading } from './time';

/** The order of a log without a header (rulings 31). */
export const XDMOD_COLUMNS = [
  'JobID',
  'JobIDRaw',
  'Cluster',
  'Partition',
  'QOS',
  'Account',
  'Group',
  'GID',
  'User',
  'UID',
  'Submit',
  'Eligible',
  'Start',
  'End',
  'Elapsed',
  'ExitCode',
  'State',
  'NNodes',
  'NCPUS',
  'ReqCPUS',
  'ReqMem',
  'ReqTRES',
  'AllocTRES',
  'Timelimit',
  'NodeList',
  'JobName',
] as const;

export interface SacctOptions {
  /** The IANA zone of the log's clock. */
  timeZone: string;
  /** Columns in order, for a log without a header. */
  columns?: readonly string[];
  /** What the log must have beside the id, the time of submission and the state. */
  needs?: readonly string[];
}

/** One row: a run of a job, or of an array task, or a job that has not run. */
export interface SacctRecord {
  line: number;
  id: SlurmJobId;
  cluster?: string;
  partition?: string;
  qos?: string;
  account?: string;
  user?: string;
  name?: string;
  submittedAt: Instant;
  /** Undefined where the job never got a node, whatever the column Start says (rulings 32). */
  startedAt?: Instant;
  endedAt?: Instant;
  /** Time within the run that sacct does not count as elapsed. */
  suspendedSeconds: number;
  state: SlurmState;
  exitCode?: number;
  requested: Resources;
  allocated: Resources;
  timeLimit: TimeLimit;
  /** A local time that the clock showed twice, or never, was read (rulings 17). */
  hasUncertainTime: boolean;
  /** The row as it was written, by lower-case column. */
  fields: Readonly<Record<string, string>>;
}

export type SacctLine = { line: number; record: SacctRecord } | { line: number; fault: Fault };

/** Reads a log line by line. Empty lines, repeated headers and the rows of job steps are passed over. */
export function* readSacct(lines: Iterable<string>, options: SacctOptions): Generator<SacctLine, void, void> {
  const read = openSacctReader(options);
  let line = 0;
  for (const written of lines) {
    line += 1;
    const told = read(written, line);
    if (told) yield told;
  }
}

/** The same, a line at a time. A header says what the columns of all lines behind it are. */
export function openSacctReader(options: SacctOptions): (written: string, line: number) => SacctLine | undefined {
  const readRow = openRowReader(options.timeZone);
  let columns = (options.columns ?? XDMOD_COLUMNS).map(normalName);
  requireColumns(columns, options.needs, 'the list of columns');
  return (written, line) => {
    const text = written.endsWith('\r') ? written.slice(0, -1) : written;
    if (text.trim() === '') return undefined;
    const header = BEGINS_WITH_A_DIGIT.test(text) ? undefined : readHeader(text);
    if (header) {
      columns = usableOf(header, options.columns, () => requireColumns(header, options.needs, headingOf(line)));
      return undefined;
    }
    try {
      const record = readRow(text, line, columns);
      return record && { line, record };
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      return { line, fault: new Fault(error.code, `line ${line}: ${error.message}`, { facts: { line } }) };
    }
  };
}

/** As an id does, and no name of a column. */
const BEGINS_WITH_A_DIGIT = /^\d/;

export const headingOf = (line: number): string => `line ${line}: the heading`;

/** A heading, or in the place of one that is of no use the columns that somebody named. */
export function usableOf(header: string[], named: readonly string[] | undefined, require: () => void): string[] {
  try {
    require();
    return header;
  } catch (error) {
    if (named === undefined || named.length !== header.length) throw error;
    return named.map(normalName);
  }
}

/** `JobID|User,…`, `JobName%60`: a list of columns as people pass it. */
export const readColumns = (text: string): string[] =>
  text
    .split(/[|,\s]+/)
    .filter((name) => name !== '')
    .map((name) => name.replace(/%-?\d+$/, ''));

/** What a column is called here: sacct has some under two names. */
export const normalName = (name: string): string => ALIASES[name.toLowerCase()] ?? name.toLowerCase();

const ALIASES: Readonly<Record<string, string>> = {
  allocnodes: 'nnodes',
  alloccpus: 'ncpus',
  jobid: 'jobid',
  name: 'jobname',
};

/** What nobody can tell a job without. */
const NEEDED = ['JobID', 'Submit', 'State'];

/** Of Slurm's sacct, those that mean something here. */
const READ_HERE = [
  ...new Set([
    ...XDMOD_COLUMNS,
    'Suspended',
    'TimelimitRaw',
    'AllocGRES',
    'ReqGRES',
    'AllocNodes',
    'AllocCPUS',
    'AdminComment',
  ]),
];

/** Columns of which no row can be understood, wherever they were named. */
export class UnusableColumns extends Fault {
  constructor(
    /** What was named, in lower case. */
    readonly columns: readonly string[],
    detail: string,
  ) {
    super('malformed_request', detail);
  }
}

/** `also`: what the reader needs beside the id, the time of submission and the state. `where` begins the sentence. */
export function requireColumns(columns: readonly string[], also: readonly string[] = [], where = 'the log'): void {
  const missing = [...NEEDED, ...also].filter(
    (name) => !columns.includes(normalName(name)) && !(name === 'JobID' && columns.includes('jobidraw')),
  );
  if (missing.length === 0) return;
  const misspelt = columns.flatMap((name) => {
    const meant = meantBy(name, [...missing, ...READ_HERE]);
    return meant === undefined ? [] : [`"${shorten(name)}" may be ${meant}`];
  });
  const which = misspelt.length === 0 ? '' : ` (${misspelt.join(', ')})`;
  throw new UnusableColumns(columns, `${where} has no column ${missing.join(', ')}${which}`);
}

/** The column that a name nobody knows is nearest to; the first of several. */
function meantBy(name: string, columns: readonly string[]): string | undefined {
  const known = columns.map((each) => each.toLowerCase());
  if (known.includes(name)) return undefined;
  const near = nearestOf(name, known);
  if (near === undefined || near.distance > Math.max(1, Math.floor(name.length / 3))) return undefined;
  return columns[known.indexOf(near.name)];
}

/** For people: what to do about columns that are not understood. */
export const COLUMNS_HINT =
  'Print the log with these columns, or name the columns that it has, in order, with --columns, like ' +
  'JobID,User,Account,Partition,Submit,Start,End,State,AllocTRES,Timelimit.';

/** The columns, where a line names them. No row of a job is only words: it has an id, and times. */
export function readHeader(text: string): string[] | undefined {
  const first = text.split('|', 1)[0]?.toLowerCase() ?? '';
  if (!/^[a-z]+$/.test(first)) return undefined;
  const names = readColumns(text).map(normalName);
  const namesJobs = names.includes('jobid') || names.includes('jobidraw');
  return namesJobs || isHeadingWithoutJobs(text, names) ? names : undefined;
}

const isHeadingWithoutJobs = (text: string, names: readonly string[]): boolean =>
  text.includes('|') && names.every((name) => /^[a-z]+$/.test(name)) && names.some((name) => KNOWN_HERE.has(name));

const KNOWN_HERE = new Set(READ_HERE.map(normalName));

function fieldsOf(text: string, columns: readonly string[]): Record<string, string> {
  // No text of PostgreSQL may hold one, and its refusal would be one of all rows that are sent with this one.
  if (text.includes('\0')) throw malformed('has a NUL (a byte 0), which no log of sacct has');
  let values = text.split('|');
  if (values.length === columns.length + 1 && values.at(-1) === '') values.pop(); // `sacct -p` ends each line so.
  // What people write may contain the separator: the name of a job, the site's own words beside a stamp.
  if (values.length > columns.length && ['jobname', 'admincomment'].includes(columns.at(-1) ?? '')) {
    const ahead = columns.length - 1;
    values = [...values.slice(0, ahead), values.slice(ahead).join('|')];
  }
  if (values.length !== columns.length) {
    throw malformed(
      `has ${values.length} fields instead of ${columns.length}; list JobName as the last column if names contain "|"`,
    );
  }
  const fields: Record<string, string> = {};
  for (const [index, name] of columns.entries()) fields[name] = (values[index] ?? '').trim();
  return fields;
}

type RowReader = (text: string, line: number, columns: readonly string[]) => SacctRecord | undefined;

/** States, lists of resources and limits repeat from row to row, so each text is understood once. */
function openRowReader(timeZone: string): RowReader {
  const stateOf = remembered(readState);
  const limitOf = remembered(readTimeLimit);
  const resources = new Map<string, Pick<SacctRecord, 'requested' | 'allocated'>>();
  return (text, line, columns) => readRow(text, line, columns, { timeZone, stateOf, limitOf, resources });
}

interface RowTerms {
  timeZone: string;
  stateOf: typeof readState;
  limitOf: typeof readTimeLimit;
  resources: Map<string, Pick<SacctRecord, 'requested' | 'allocated'>>;
}

function readRow(
  text: string,
  line: number,
  columns: readonly string[],
  { timeZone, stateOf, limitOf, resources }: RowTerms,
): SacctRecord | undefined {
  const fields = fieldsOf(text, columns);
  const id = column('JobID', () => readJobId(fields.jobid || fields.jobidraw || ''));
  if (id.step !== undefined) return undefined;

  const state = column('State', () => stateOf(fields.state ?? ''));
  const time = (name: string) => column(name, () => readTime(fields[name.toLowerCase()] ?? '', timeZone));
  const submitted = time('Submit');
  if (!submitted) throw malformed('column Submit: a job has a time of submission; it looks like 2026-03-02T14:31:51');
  const [start, end] = [time('Start'), time('End')];
  const had = resourcesIn(fields, resources);
  const hasStarted = start !== undefined && state.phase !== 'pending' && gotNodes(fields, start, end);
  const isOver = end !== undefined && (state.phase !== 'running' || state.isResized === true);
  const paired = start && isOver ? pairOf(start, end, fields) : undefined;
  const endedAt = isOver ? (paired ?? { end: end.at }).end : undefined;
  const startedAt = hasStarted ? (paired ?? { start: start.at }).start : undefined;
  const exitCode = column('ExitCode', () => readExitCode(fields.exitcode ?? ''));
  return {
    line,
    id,
    ...given({
      cluster: fields.cluster || undefined,
      partition: fields.partition || undefined,
      qos: fields.qos || undefined,
      account: fields.account || undefined,
      user: fields.user || undefined,
      name: fields.jobname || undefined,
    }),
    submittedAt: submitted.at,
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(endedAt === undefined ? {} : { endedAt }),
    suspendedSeconds: column('Elapsed', () => suspendedSeconds(fields, startedAt, endedAt)),
    state,
    ...(exitCode === undefined ? {} : { exitCode }),
    requested: had.requested,
    allocated: had.allocated,
    timeLimit: column('Timelimit', () => limitOf(fields.timelimit || fields.timelimitraw || '')),
    hasUncertainTime:
      submitted.flag !== undefined || (paired?.isUncertain ?? [start, end].some((each) => each?.flag !== undefined)),
    fields,
  };
}

/** All that `resourcesOf` looks at. */
const RESOURCE_COLUMNS = ['reqtres', 'alloctres', 'nnodes', 'ncpus', 'reqcpus', 'reqmem', 'allocgres', 'reqgres'];

function resourcesIn(fields: Record<string, string>, known: RowTerms['resources']) {
  let key = '';
  for (const name of RESOURCE_COLUMNS) key += `${fields[name] ?? ''}|`;
  const found = known.get(key);
  if (found) return found;
  const requestedTres = column('ReqTRES', () => readTres(fields.reqtres ?? ''));
  const read = { requested: resourcesOf(requestedTres, fields, 'reqcpus'), allocated: allocatedOf(fields) };
  if (known.size >= TEXTS_KEPT) known.clear();
  known.set(key, read);
  return read;
}

/** Names the column in the fault of what reads it. */
function column<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    throw malformed(`column ${name}: ${error.message}`);
  }
}

/** Either may be a time that the clocks showed twice; how long the job ran tells which. */
function pairOf(
  start: LocalReading,
  end: LocalReading,
  { elapsed, suspended }: Record<string, string>,
): { start: Instant; end: Instant; isUncertain: boolean } {
  const isUncertain = start.flag !== undefined || end.flag !== undefined;
  if (start.second === undefined && end.second === undefined) return { start: start.at, end: end.at, isUncertain };
  const said = column('Elapsed', () =>
    elapsed ? (readElapsed(elapsed) + (suspended ? readElapsed(suspended) : 0)) * 1e6 : undefined,
  );
  const { startIsSecond, endIsSecond, isSure } = pairReadings(microsOf(start), microsOf(end), said);
  return {
    start: startIsSecond ? (start.second ?? start.at) : start.at,
    end: endIsSecond ? (end.second ?? end.at) : end.at,
    isUncertain: !isSure || [start, end].some(({ flag, second }) => flag !== undefined && second === undefined),
  };
}

const microsOf = ({ at, second }: LocalReading) => ({
  at: Number(epochMicros(at)),
  second: second === undefined ? undefined : Number(epochMicros(second)),
});

/** A job that was cancelled while it waited has no node; and no time, where nobody says which nodes it had. */
function gotNodes(fields: Record<string, string>, start: LocalReading, end: LocalReading | undefined): boolean {
  if (fields.nodelist !== undefined) return namesNodes(fields.nodelist);
  if (fields.alloctres !== undefined) return fields.alloctres !== '';
  return end === undefined || compareInstants(start.at, end.at) < 0;
}

function suspendedSeconds(
  fields: Record<string, string>,
  startedAt: Instant | undefined,
  endedAt: Instant | undefined,
): number {
  if (fields.suspended) return readElapsed(fields.suspended);
  if (!fields.elapsed || startedAt === undefined || endedAt === undefined) return 0;
  const lasted = (epochMicros(endedAt) - epochMicros(startedAt)) / MICROS_PER_SECOND;
  return Math.max(0, Number(lasted) - readElapsed(fields.elapsed));
}

/** `1:0` is exit code 1; `0:9` was killed by signal 9, 137 to a shell. */
function readExitCode(text: string): number | undefined {
  const match = /^(\d{1,10})(?::(\d{1,3}))?$/.exec(text);
  if (!match) return undefined;
  const signal = Number(match[2] ?? 0);
  return Number(match[1]) || (signal > 0 ? 128 + signal : 0);
}

/** What a run had; what it asked for stands in where the record of the end does not say. */
export function allocatedOf(fields: Readonly<Record<string, string | undefined>>): Resources {
  const allocated = column('AllocTRES', () => readTres(fields.alloctres ?? ''));
  const { cpus, nodes, gpus, memoryMib } = allocated;
  if (cpus !== undefined) return resourcesOf(allocated, fields, 'ncpus');
  const requested = column('ReqTRES', () => readTres(fields.reqtres ?? ''));
  if ([nodes, gpus, memoryMib].every((said) => said === undefined)) return resourcesOf(requested, fields, 'ncpus');
  // A list that was cut off, or is of a site that does not count CPUs: what it says holds, and only the CPUs are looked for elsewhere.
  const asked = requested.cpus === undefined ? undefined : String(requested.cpus);
  return resourcesOf(allocated, { ...fields, ncpus: fields.ncpus || asked }, 'ncpus');
}

function resourcesOf(
  tres: Tres,
  fields: Readonly<Record<string, string | undefined>>,
  cpuColumn: 'reqcpus' | 'ncpus',
): Resources {
  const nodes = tres.nodes ?? column('NNodes', () => countOf(fields.nnodes));
  const cpuText = fields[cpuColumn] || fields.ncpus || fields.reqcpus;
  const cpus = tres.cpus ?? column(fields[cpuColumn] || fields.ncpus ? 'NCPUS' : 'ReqCPUS', () => countOf(cpuText));
  const memoryMib =
    tres.memoryMib ??
    column('ReqMem', () => (fields.reqmem ? jobMemoryMib(readMemory(fields.reqmem), { nodes, cpus }) : 0));
  // Before Slurm had TRES for them, GPUs stood in a column of their own.
  const gres = tres.gpus === undefined ? fields[cpuColumn === 'ncpus' ? 'allocgres' : 'reqgres'] : undefined;
  const { gpus = 0, gpusByModel } = gres ? column('AllocGRES', () => readGres(gres)) : tres;
  return { nodes, cpus, gpus, gpusByModel, memoryMib };
}

/** Of nodes or CPUs; a job that names none had one. */
function countOf(text: string | undefined): number {
  const count = text === undefined || text === '' ? 1 : parseCount(text);
  if (count !== undefined) return count;
  throw malformed(
    `"${shorten(text ?? '')}" is no count; sacct writes 512, or 2K, and with --noconvert always the first`,
  );
}

// Events ------------------------------------------------------------------------------------------------------------------

/** One thing that a record says happened; the ledger's JobEvent but for the cluster, which the reader of the log knows. */
export interface SacctEvent {
  type: 'submitted' | 'started' | 'resized' | 'suspended' | 'resumed' | 'ended' | 'cancelled' | 'requeued';
  at: Instant;
  jobId: string;
  task?: string;
  submittedAt: Instant;
  startedAt?: Instant;
  account?: string;
  user?: string;
  partition?: string;
  name?: string;
  endState?: EndState;
  cancelledBy?: string;
  uid?: number;
  exitCode?: number;
  resources: Resources;
  timeLimitSeconds?: number;
  suspendedSeconds?: number;
}

/** Whose job it was, where the column UID is there. */
export const uidOf = ({ fields }: SacctRecord): number | undefined =>
  fields.uid && /^\d{1,10}$/.test(fields.uid) ? Number(fields.uid) : undefined;

/** What a record says happened, in order. A job that ended without ever getting a node was cancelled while it waited. */
export function eventsOf(record: SacctRecord): SacctEvent[] {
  const { submittedAt, startedAt, endedAt, state, timeLimit } = record;
  const job = {
    jobId: record.id.jobId,
    ...(record.id.task === '' ? {} : { task: record.id.task }),
    submittedAt,
    ...given({ account: record.account, user: record.user, partition: record.partition, name: record.name }),
    ...(timeLimit.wallSeconds === undefined ? {} : { timeLimitSeconds: timeLimit.wallSeconds }),
  };
  const events: SacctEvent[] = [{ type: 'submitted', at: submittedAt, ...job, resources: record.requested }];
  const run =
    startedAt === undefined
      ? { ...job, resources: record.allocated }
      : { ...job, startedAt, resources: record.allocated };
  if (startedAt !== undefined) events.push({ type: 'started', at: startedAt, ...run });
  const isOver = state.phase === 'ended' || state.phase === 'requeued';
  if (isOver && endedAt !== undefined) {
    events.push({
      type: state.phase === 'requeued' ? 'requeued' : startedAt === undefined ? 'cancelled' : 'ended',
      at: endedAt,
      ...run,
      ...given({ endState: state.endState, cancelledBy: state.cancelledBy, uid: uidOf(record) }),
      ...(record.exitCode === undefined ? {} : { exitCode: record.exitCode }),
      ...(record.suspendedSeconds > 0 ? { suspendedSeconds: record.suspendedSeconds } : {}),
    });
  }
  return events;
}
