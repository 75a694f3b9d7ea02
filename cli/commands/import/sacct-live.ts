/** What the cluster's own `sacct` says now, a stretch of time after the other: nobody's database is asked for ten years at once. */
import { spawn } from 'node:child_process';
import type { LogChunk } from '../../../ledger/contract/imports';
import { EXIT, Stop } from '../../exit';
import { textChunks, type OpenedLog } from './sacct-file';

const FORMAT =
  'JobID,JobIDRaw,Cluster,Partition,Account,User,UID,Submit,Start,End,Elapsed,Suspended,State,NNodes,NCPUS,ReqMem,ReqTRES,AllocTRES,NodeList';

export interface LiveOptions {
  /** The program. */
  sacct: string;
  /** Milliseconds since 1970. */
  since: number;
  until: number;
  stretchMs: number;
  /** Of several that one slurmdbd knows. */
  cluster?: string;
  env: Readonly<Record<string, string | undefined>>;
}

/** Times are asked for and told in UTC, whatever the zone of this machine is. */
export function openLive(options: LiveOptions): OpenedLog {
  return { name: 'sacct', chunks: chunksOf(options) };
}

async function* chunksOf(options: LiveOptions): AsyncGenerator<LogChunk> {
  const { since, until, stretchMs } = options;
  let line = 0;
  for (let from = since; from < until; from += stretchMs) {
    const to = Math.min(until, from + stretchMs);
    const progress = (to - since) / (until - since);
    let last = 0;
    for await (const chunk of textChunks(run(options, from, to), () => progress)) {
      last = chunk.line + chunk.rows.length - 1;
      yield { ...chunk, line: line + chunk.line };
    }
    line += last;
  }
}

const clock = (ms: number): string => new Date(ms).toISOString().slice(0, 19);

async function* run({ sacct, cluster, env }: LiveOptions, from: number, to: number): AsyncGenerator<Buffer> {
  const args = [
    '--allusers',
    '--allocations',
    '--duplicates',
    '--parsable2',
    `--format=${FORMAT}`,
    `--starttime=${clock(from)}`,
    `--endtime=${clock(to)}`,
    ...(cluster === undefined ? [] : [`--clusters=${cluster}`]),
  ];
  const child = spawn(sacct, args, {
    env: { ...env, TZ: 'UTC', SLURM_TIME_FORMAT: '%s' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-2000)));
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  // It is awaited behind the output; until then a program that is not there must not end this one.
  ended.catch(() => undefined);
  try {
    const blocks: AsyncIterable<Buffer> = child.stdout;
    for await (const block of blocks) yield block;
    const code = await ended;
    if (code === 0) return;
    throw new Stop(
      EXIT.failure,
      `sacct failed for ${clock(from)} to ${clock(to)} (UTC): ${said.trim() || `exit code ${code}`}.`,
      {
        hints: ['What was imported before that stays; run the same again when sacct answers.'],
      },
    );
  } catch (error) {
    if (error instanceof Stop) throw error;
    throw new Stop(EXIT.failure, `${sacct} cannot be run: ${error instanceof Error ? error.message : 'unknown'}.`, {
      hints: [
        '--live runs on a machine that has sacct; elsewhere write its output to a file first. --sacct names the program.',
      ],
    });
  } finally {
    if (child.exitCode === null) child.kill();
  }
}
