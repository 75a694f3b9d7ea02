/** Slurm by slurmrestd, where the worker has neither Slurm's commands nor its keys. */
import { readFile } from 'node:fs/promises';
import { shorten } from '../../domain/faults';
import type { QueuedJob } from '../../domain/queue';
import { readRestHistory, readRestJob, readRestQueue, type RestReading } from '../../domain/slurm-rest';
import { instantOfMs } from '../../domain/time';
import type { Reading, Scheduler } from './scheduler';

export interface SlurmRestOptions {
  url: string;
  user: string;
  /** Read anew for each look: a token of Slurm's ends, and is replaced beside us. */
  tokenFile: string;
  timeoutMs: number;
  /** Default 256 MiB: a job is four kilobytes of JSON. */
  bytesMax?: number;
}

/** Here F is no state, and a list with both RQ and RV, or RS, none either. */
const ENDED = 'CD,FAILED,CA,TO,NF,OOM,PR,BF,DL,RQ';

export function slurmRest({
  url,
  user,
  tokenFile,
  timeoutMs,
  bytesMax = 256 * 1_048_576,
}: SlurmRestOptions): Scheduler {
  const base = url.replace(/\/+$/, '');
  let version: string | undefined;

  async function get(path: string): Promise<unknown> {
    const token = (await readFile(tokenFile, 'utf8')).trim();
    const response = await fetch(`${base}${path}`, {
      headers: { 'X-SLURM-USER-NAME': user, 'X-SLURM-USER-TOKEN': token, Accept: 'application/json' },
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    }).catch((error: unknown) => {
      throw new Error(`slurmrestd at ${base}: ${whyNot(error, timeoutMs)}`);
    });
    const text = await bodyOf(response, bytesMax);
    const answer = jsonOf(text);
    // It answers 500 where it means "there is none", or "your token is not good"; what it says of that is in the body.
    if (answer === undefined) {
      throw new Error(`slurmrestd at ${base}: ${response.status}, ${shorten(text.trim()) || 'no body'}`);
    }
    return answer;
  }

  /** The newest that the daemon serves; asked once, and again after a failure. */
  async function versioned(daemon: 'slurm' | 'slurmdb', path: string): Promise<unknown> {
    version ??= newest(await get('/openapi/v3'));
    try {
      return await get(`/${daemon}/${version}${path}`);
    } catch (error) {
      version = undefined;
      throw error;
    }
  }

  async function history(path: string, read: (answer: unknown) => RestReading): Promise<Reading> {
    const reading = read(await versioned('slurmdb', path));
    if (reading.jobs.length === 0) refuse(reading);
    return reading;
  }

  /** Where it says that something went wrong, it has not answered. */
  function refuse({ faults }: Reading): void {
    if (faults.length > 0) throw new Error(`slurmrestd at ${base}: ${faults[0]}`);
  }

  return {
    name: `slurmrestd at ${base}`,

    async queue() {
      const takenMs = Date.now();
      const reading = readRestQueue(await versioned('slurm', '/jobs'), Math.floor(takenMs / 1000));
      if (reading.jobs.length === 0) refuse(reading);
      return { takenAt: instantOfMs(takenMs), ...reading };
    },

    async history(sinceSeconds) {
      const since = `now-${Math.ceil(sinceSeconds)}seconds`;
      const path = `/jobs?start_time=${since}&end_time=now&state=${encodeURIComponent(ENDED)}`;
      // With RQ it also answers what goes on, and what size a job had before.
      return history(path, readRestHistory);
    },

    async find(jobIds) {
      const found: QueuedJob[] = [];
      for (const jobId of jobIds.filter((each) => /^\d{1,20}$/.test(each))) {
        const reading = await history(`/job/${jobId}`, readRestJob);
        refuse(reading);
        found.push(...reading.jobs);
      }
      return found;
    },
  };
}

/** `/slurm/v0.0.38/jobs` among the paths of its document. */
function newest(document: unknown): string {
  const paths: unknown = typeof document === 'object' && document !== null ? Reflect.get(document, 'paths') : undefined;
  const names = typeof paths === 'object' && paths !== null ? Object.keys(paths) : [];
  const patches = names.flatMap((path) => /^\/slurm\/v0\.0\.(\d+)\/jobs\/?$/.exec(path)?.[1] ?? []).map(Number);
  const served = patches.filter((patch) => names.some((path) => path.startsWith(`/slurmdb/v0.0.${patch}/`)));
  if (served.length === 0) throw new Error('slurmrestd serves no version of jobs and accounting that go together');
  return `v0.0.${Math.max(...served)}`;
}

async function bodyOf(response: Response, bytesMax: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let size = 0;
  for await (const piece of response.body ?? []) {
    const bytes = piece as Uint8Array;
    size += bytes.length;
    if (size > bytesMax) throw new Error(`slurmrestd answered more than ${bytesMax} bytes`);
    text += decoder.decode(bytes, { stream: true });
  }
  return text + decoder.decode();
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function whyNot(error: unknown, timeoutMs: number): string {
  const of = (value: unknown, field: string): unknown =>
    typeof value === 'object' && value !== null ? Reflect.get(value, field) : undefined;
  if (of(error, 'name') === 'TimeoutError') return `no answer within ${timeoutMs} ms`;
  // `fetch failed` says nothing; its cause does.
  return String(of(of(error, 'cause'), 'message') ?? of(error, 'message') ?? error);
}
