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
    const { stdout } = await run(
      'pgbench',
      [...shape, '-T', String(seconds), '-D', `n=${(counted += COUNT_AHEAD)}`, '-f', script, '-l', url],
      { cwd: folder, maxBuffer: 1 << 24 },
    );
    const perSecond = Number(
      /tps = ([\d.]+) \(without/.exec(stdout)?.[1] ?? /tps = ([\d.]+)/.exec(stdout)?.[1] ?? 'NaN',
    );
    const latencies: number[] = [];
    for (const name of await readdir(folder)) {
      if (!name.startsWith('pgbench_log')) continue;
      for (const line of (await readFile(join(folder, name), 'utf8')).split('\n')) {
        const micros = line.split(' ')[2];
        if (micros !== undefined) latencies.push(Number(micros) / 1000);
      }
    }
    if (latencies.length === 0)
      throw new Error(`pgbench with ${clients} clients did nothing in ${seconds} s:\n${stdout}`);
    return { ...figureOf(latencies, seconds), perSecond };
  } finally {
    await rm(folder, { recursive: true });
  }
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
