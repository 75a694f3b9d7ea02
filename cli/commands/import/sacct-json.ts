/**
 * `sacct --json`, of Slurm 21.08 to 24.11 (data parsers 0.0.37 to 0.0.42), job by job: a year of a cluster is tens of gigabytes, so
 * nothing holds more than one job, and nothing looks at what is not about runs.
 */
import { StringDecoder } from 'node:string_decoder';
import { shorten } from '../../../domain/faults';
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
const [OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET] = [123, 125, 91, 93];

/** The text of each element of the array "jobs" (or of the array that the file is). Braces are counted; nothing else is read. */
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
      if (depth === jobsDepth && jobFrom < 0) requireJob(text, at);
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
      if (code === QUOTE) stringFrom = at;
      else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
        if (code === OPEN_BRACE && depth === jobsDepth && jobFrom < 0) jobFrom = at;
        depth += 1;
        if (code === OPEN_BRACKET && (depth === 1 || (depth === 2 && lastString === 'jobs'))) jobsDepth ??= depth;
      } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
        depth -= 1;
        if (depth === jobsDepth && jobFrom >= 0) {
          yield text.slice(jobFrom, at + 1);
          jobFrom = -1;
        } else if (jobsDepth !== undefined && depth < jobsDepth) jobsDepth = Number.NaN; // The jobs are over.
      }
      at += 1;
    }
  }
  if (depth !== 0 || stringFrom >= 0) {
    throw new Stop(EXIT.usage, 'The JSON ends in the middle; what was whole before that was read.', {
      hints: ['Was the disk full, or sacct stopped? Write the log again; what was imported is not imported twice.'],
    });
  }
  if (jobsDepth === undefined) {
    throw new Stop(EXIT.usage, 'The JSON has no array "jobs"; it is made with `sacct --json`.');
  }
}

/** Between jobs there are only commas, and the end of them. */
function requireJob(text: string, at: number): void {
  if (/[\s,{\]]/.test(text[at] ?? '')) return;
  const what = shorten(text.slice(at).split('\n', 1)[0] ?? '');
  throw new Stop(EXIT.usage, `The JSON has "${what}" where a job belongs.`, {
    hints: ['Expected is what `sacct --json` prints: {"jobs": [{"job_id": 1, …}, …]}, or the array of the jobs alone.'],
  });
}

/** The job as sacct's columns say it; `number` is for people, where it is no JSON. */
export function fieldsOfJob(text: string, number: number): string[] {
  let job: Value;
  try {
    job = new Value(JSON.parse(text));
  } catch (error) {
    throw new Stop(EXIT.usage, `Job ${number} of the log is no JSON: ${error instanceof Error ? error.message : ''}.`);
  }
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
    stateOf(job.of('state').of('current')),
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

/** One word until Slurm 23.02, a list of words since: the state, and what else is true of the job. */
function stateOf(current: Value): string {
  const words = current.list().map((word) => word.text());
  if (words.length === 0) return current.text();
  return ['REVOKED', 'REQUEUED'].find((word) => words.includes(word)) ?? words[0] ?? '';
}

function tresOf(list: Value): string {
  const parts: string[] = [];
  for (const each of list.list()) {
    const [type, name, count] = [each.of('type').text(), each.of('name').text(), each.of('count').number()];
    if (type !== '' && count !== undefined && count >= 0)
      parts.push(`${type}${name === '' ? '' : `/${name}`}=${count}`);
  }
  return parts.join(',');
}

/** Something in JSON that may or may not be there. */
class Value {
  constructor(private readonly value: unknown) {}

  of(name: string): Value {
    const { value } = this;
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return new Value(isObject ? Reflect.get(value, name) : undefined);
  }

  list(): Value[] {
    return Array.isArray(this.value) ? this.value.map((each) => new Value(each)) : [];
  }

  text(): string {
    return typeof this.value === 'string' ? this.value : '';
  }

  /** A number, or since Slurm 23.02 `{set, infinite, number}`. */
  number(): number | undefined {
    const { value } = this;
    if (typeof value === 'number') return value;
    if (typeof value !== 'object' || value === null || Reflect.get(value, 'set') !== true) return undefined;
    const number: unknown = Reflect.get(value, 'number');
    return typeof number === 'number' ? number : undefined;
  }
}
