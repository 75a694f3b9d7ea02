/**
 * `sacct --json`, of Slurm 21.08 to 24.11 (data parsers 0.0.37 to 0.0.42), job by job: a year of a cluster is tens of gigabytes, so
 * nothing holds more than one job, and nothing looks at what is not about runs.
 */
import { StringDecoder } from 'node:string_decoder';
import { Fault, malformed, shorten } from '../../../domain/faults';
import { EXIT, Stop } from '../../exit';

/** What a job is said in, by sacct's own names. */
export const JSON_COLUMNS = [
  'JobID',
  'JobIDRaw',
  'Cluster',
  'Partition',
  'Account',
  'User',
  'Submit',
  'Start',
  'End',
  'Suspended',
  'State',
  'NNodes',
  'NodeList',
  'ReqTRES',
  'AllocTRES',
] as const;

const JOB_CHARACTERS_MAX = 256 * 1024 * 1024;

const QUOTE = 34;
const BACKSLASH = 92;
const COMMA = 44;
const [OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET] = [123, 125, 91, 93];

/**
 * The text of each element of the array "jobs" (or of the array that a document is), of one document behind the other. Braces are
 * counted; nothing else is read.
 */
export async function* cutJobs(bytes: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8');
  let text = '';
  let at = 0;
  let depth = 0;
  // Where the jobs are: 1 deep where the file is an array, 2 where they stand below "jobs".
  let jobsDepth: number | undefined;
  let [jobFrom, stringFrom] = [-1, -1];
  let lastString = '';

  for await (const block of bytes) {
    // What was looked at and belongs to no job is let go.
    const keep = jobFrom >= 0 ? jobFrom : stringFrom >= 0 ? stringFrom : at;
    text = text.slice(keep) + decoder.write(block);
    at -= keep;
    if (jobFrom >= 0) jobFrom = 0;
    if (stringFrom >= 0) stringFrom -= keep;
    if (text.length > JOB_CHARACTERS_MAX) throw new Stop(EXIT.usage, 'One job of the log has more than 256 MiB.');

    while (at < text.length) {
      if (stringFrom >= 0) {
        const end = text.indexOf('"', at);
        if (end < 0) {
          at = text.length;
          break;
        }
        let slashes = 0;
        while (end - slashes - 1 > stringFrom && text.charCodeAt(end - slashes - 1) === BACKSLASH) slashes += 1;
        at = end + 1;
        if (slashes % 2 === 1) continue;
        if (depth === 1 && jobFrom < 0) lastString = text.slice(stringFrom + 1, end);
        stringFrom = -1;
        continue;
      }
      const code = text.charCodeAt(at);
      if (depth === jobsDepth) {
        if (jobFrom < 0 && !isBetween(code)) jobFrom = at;
        else if (jobFrom >= 0 && code === COMMA) {
          yield text.slice(jobFrom, at).trim();
          jobFrom = -1;
        }
      } else if (depth === 0 && !isBlank(code) && code !== OPEN_BRACE && code !== OPEN_BRACKET) throw strange(text, at);
      if (code === QUOTE) stringFrom = at;
      else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
        depth += 1;
        if (code === OPEN_BRACKET && (depth === 1 || (depth === 2 && lastString === 'jobs'))) jobsDepth ??= depth;
      } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
        if (depth === jobsDepth && jobFrom >= 0) {
          yield text.slice(jobFrom, at).trim();
          jobFrom = -1;
        }
        depth -= 1;
        if (depth === jobsDepth && jobFrom >= 0) {
          yield text.slice(jobFrom, at + 1);
          jobFrom = -1;
        } else if (jobsDepth !== undefined && depth < jobsDepth) jobsDepth = Number.NaN; // The jobs are over.
        if (depth === 0) {
          if (jobsDepth === undefined) throw noJobs();
          jobsDepth = undefined;
          lastString = '';
        }
      }
      at += 1;
    }
  }
  if (depth !== 0 || stringFrom >= 0) {
    throw new Stop(EXIT.usage, 'The JSON ends in the middle; what was whole before that was read.', {
      hints: ['Was the disk full, or sacct stopped? Write the log again; what was imported is not imported twice.'],
    });
  }
}

const isBlank = (code: number): boolean => code <= 32 || code === 0xfeff;
const isBetween = (code: number): boolean => isBlank(code) || code === COMMA || code === CLOSE_BRACKET;

const noJobs = (): Stop =>
  new Stop(EXIT.usage, 'The JSON has no array "jobs"; it is made with `sacct --json`.', {
    hints: ['What stood before it was read.'],
  });

const strange = (text: string, at: number): Stop =>
  new Stop(EXIT.usage, `Behind the JSON stands "${shorten(text.slice(at).split('\n', 1)[0] ?? '')}", which is none.`, {
    hints: [
      'What stood before it was read. Several documents may follow each other; a log as text is imported by itself.',
    ],
  });

/** The job as sacct's columns say it, or what is wrong with it; `number` is for people. */
export function rowOfJob(text: string, number: number): string[] | Fault {
  try {
    return fieldsOfJob(new Value(parse(text), ''));
  } catch (error) {
    if (error instanceof Fault) return new Fault(error.code, `line ${number}: ${error.message}`);
    throw error;
  }
}

function parse(text: string): unknown {
  try {
    const job: unknown = JSON.parse(text);
    if (typeof job === 'object' && job !== null && !Array.isArray(job)) return job;
  } catch (error) {
    throw malformed(`this job is no JSON (${error instanceof Error ? error.message : 'unreadable'})`);
  }
  throw malformed(`"${shorten(text)}" stands where a job belongs; sacct --json prints {"jobs": [{"job_id": 1, …}, …]}`);
}

function fieldsOfJob(job: Value): string[] {
  const time = job.of('time');
  const count = job.of('allocation_nodes').number();
  return [
    idOf(job),
    String(job.of('job_id').number() ?? ''),
    job.of('cluster').text(),
    job.of('partition').text(),
    job.of('account').text(),
    job.of('user').text() || job.of('association').of('user').text(),
    secondsOf(time.of('submission')),
    secondsOf(time.of('start')),
    secondsOf(time.of('end')),
    clockOf(time.of('suspended').number() ?? 0),
    `${stateOf(job.of('state').of('current'))}${isCancelledByRoot(job) ? ' by 0' : ''}`,
    count === undefined ? '' : String(count),
    job.of('nodes').text(),
    tresOf(job.of('tres').of('requested')),
    tresOf(job.of('tres').of('allocated')),
  ];
}

/** `123`, `123_4`, `123_[5-9]`, `123+1`. */
function idOf(job: Value): string {
  const array = job.of('array');
  const het = job.of('het');
  const [arrayId, task] = [array.of('job_id').number() ?? 0, array.of('task_id').number()];
  if (arrayId > 0 && task !== undefined) return `${arrayId}_${task}`;
  if (arrayId > 0 && array.of('task').text() !== '') return `${arrayId}_[${array.of('task').text()}]`;
  const [hetId, offset] = [het.of('job_id').number() ?? 0, het.of('job_offset').number()];
  if (hetId > 0 && offset !== undefined) return `${hetId}+${offset}`;
  return String(job.of('job_id').number() ?? '');
}

const secondsOf = (time: Value): string => {
  const seconds = time.number() ?? 0;
  return seconds > 0 ? String(seconds) : 'Unknown';
};

const clockOf = (seconds: number): string => (seconds > 0 ? `00:00:${seconds}` : '');

/** It names who, and only root's uid is known by the name. */
const isCancelledByRoot = (job: Value): boolean =>
  stateOf(job.of('state').of('current')) === 'CANCELLED' &&
  job.of('kill_request_user').text() === 'root' &&
  (job.of('user').text() || job.of('association').of('user').text()) !== 'root';

/** One word until Slurm 23.02, a list of words since: the state, and what else is true of the job. */
function stateOf(current: Value): string {
  if (!current.isList) return current.text();
  const words = current.list().map((word) => word.text());
  return ['REVOKED', 'REQUEUED', 'RESIZING'].find((word) => words.includes(word)) ?? words[0] ?? '';
}

function tresOf(list: Value): string {
  const parts: string[] = [];
  for (const each of list.list()) {
    const [type, name, count] = [each.of('type').text(), each.of('name').text(), each.of('count').number()];
    if (type === '') throw each.is('without a type');
    if (count !== undefined && count >= 0) parts.push(`${type}${name === '' ? '' : `/${name}`}=${count}`);
  }
  return parts.join(',');
}

/** Something in JSON that may not be there (or be null). What is there and is something else than it should be is a mistake. */
class Value {
  constructor(
    private readonly value: unknown,
    private readonly path: string,
  ) {}

  of(name: string): Value {
    const { value } = this;
    if (this.isNothing) return new Value(undefined, '');
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw this.is('no object');
    return new Value(Reflect.get(value, name), this.path === '' ? name : `${this.path}.${name}`);
  }

  get isList(): boolean {
    return Array.isArray(this.value);
  }

  list(): Value[] {
    if (this.isNothing) return [];
    if (!Array.isArray(this.value)) throw this.is('no list');
    return this.value.map((each, index) => new Value(each, `${this.path}[${index}]`));
  }

  text(): string {
    if (this.isNothing) return '';
    if (typeof this.value !== 'string') throw this.is('no text');
    return this.value;
  }

  /** A number, or since Slurm 23.02 `{set, infinite, number}`. */
  number(): number | undefined {
    const { value } = this;
    if (this.isNothing) return undefined;
    if (typeof value === 'number') return value;
    const [set, number]: unknown[] =
      typeof value === 'object' && value !== null ? [Reflect.get(value, 'set'), Reflect.get(value, 'number')] : [];
    if (set === false) return undefined;
    if (set !== true || typeof number !== 'number') throw this.is('no number');
    return number;
  }

  is(what: string): Fault {
    return malformed(`${this.path}: ${shorten(JSON.stringify(this.value))} is ${what}`);
  }

  private get isNothing(): boolean {
    return this.value === undefined || this.value === null;
  }
}
