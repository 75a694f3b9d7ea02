/** pgbench where it is installed; the npm PostgreSQL ships none, and then a raw loop is the floor and says so (rulings 34). */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { connectPostgres } from '../platform/postgres';
import { figureOf, type Figure } from './http-load';

const run = promisify(execFile);

export interface Floor {
  url: string;
  /**
   * One SQL statement, run again and again. `:n` counts a client's transactions, `:client` is its number, and `:account`
   * is drawn from 1 to `accounts`. Other colons must not stand before a letter.
   */
  statement: string;
  accounts?: number;
  clients: number;
  seconds: number;
}

let found: Promise<boolean> | undefined;
export const hasPgbench = (): Promise<boolean> =>
  (found ??= run('pgbench', ['--version']).then(
    () => true,
    () => false,
  ));

export const runFloor = async (floor: Floor): Promise<Figure> =>
  (await hasPgbench()) ? withPgbench(floor) : withRawLoop(floor);

/** Of all runs of this process: a client's count goes on, so that no key comes twice. */
let counted = 0;
const COUNT_AHEAD = 100_000_000;

async function withPgbench({ url, statement, accounts = 1, clients, seconds }: Floor): Promise<Figure> {
  const folder = await mkdtemp(join(tmpdir(), 'bursar-pgbench-'));
  try {
    const script = join(folder, 'floor.sql');
    const used = statement.replaceAll(':client', ':client_id');
    await writeFile(script, `\\set n :n + 1\n\\set account random(1, ${accounts})\n${used};\n`);
    const shape = ['-n', '-M', 'prepared', '-c', String(clients), '-j', String(Math.min(clients, 2))];
    const duration = Math.ceil(seconds + warmUpSeconds(clients));
    await run(
      'pgbench',
      [...shape, '-T', String(duration), '-D', `n=${(counted += COUNT_AHEAD)}`, '-f', script, '-l', url],
      { cwd: folder, maxBuffer: 1 << 24 },
    );
    return figureOf(await latenciesOfTheLast(seconds, folder), seconds);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Each new connection plans the statement once, which takes longer than running it hundreds of times. */
const warmUpSeconds = (clients: number): number => 1 + clients / 16;

/** Milliseconds, from pgbench's logs: client, transaction, microseconds, script, and when it ended (seconds, microseconds). */
async function latenciesOfTheLast(seconds: number, folder: string): Promise<number[]> {
  const ended: { atMs: number; tookMs: number }[] = [];
  for (const name of await readdir(folder)) {
    if (!name.startsWith('pgbench_log')) continue;
    for (const line of (await readFile(join(folder, name), 'utf8')).split('\n')) {
      const [, , took, , second, micros] = line.split(' ').map(Number);
      if (took === undefined || second === undefined || micros === undefined) continue;
      ended.push({ atMs: second * 1000 + micros / 1000, tookMs: took / 1000 });
    }
  }
  const last = ended.reduce((latest, { atMs }) => Math.max(latest, atMs), 0);
  return ended.filter(({ atMs }) => atMs > last - seconds * 1000).map(({ tookMs }) => tookMs);
}

async function withRawLoop({ url, statement, accounts = 1, clients, seconds }: Floor): Promise<Figure> {
  const sql = connectPostgres({ url, poolSize: clients });
  const first = (counted += COUNT_AHEAD);
  const names = ['n', 'client', 'account'].filter((name) => statement.includes(`:${name}`));
  const text = names.reduce((words, name, index) => words.replaceAll(`:${name}`, `$${index + 1}`), statement);
  const latencies: number[] = [];
  const began = performance.now();
  const until = began + seconds * 1000;
  await Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      for (let n = first; performance.now() < until; n++) {
        const values: Record<string, number> = { n, client, account: 1 + Math.floor(Math.random() * accounts) };
        const sent = performance.now();
        await sql.unsafe(
          text,
          names.map((name) => String(values[name])),
          { prepare: true },
        );
        latencies.push(performance.now() - sent);
      }
    }),
  );
  const figure = figureOf(latencies, (performance.now() - began) / 1000);
  await sql.end();
  return figure;
}
