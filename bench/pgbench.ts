/** pgbench where it is installed; the npm PostgreSQL ships none, and then a raw loop is the floor and says so (rulings 34). */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { connectPostgres } from '../platform/postgres';
import { quantile } from './http-load';

const run = promisify(execFile);

export interface Floor {
  tool: 'pgbench' | 'raw loop';
  perSecond: number;
  meanMs: number;
}

/** Runs one SQL statement again and again from `clients` connections for `seconds`. `:n` is a fresh number each time. */
export async function runFloor(url: string, statement: string, clients: number, seconds: number): Promise<Floor> {
  return (await hasPgbench())
    ? withPgbench(url, statement, clients, seconds)
    : withRawLoop(url, statement, clients, seconds);
}

let found: Promise<boolean> | undefined;
export const hasPgbench = (): Promise<boolean> =>
  (found ??= run('pgbench', ['--version']).then(
    () => true,
    () => false,
  ));

async function withPgbench(url: string, statement: string, clients: number, seconds: number): Promise<Floor> {
  const folder = await mkdtemp(join(tmpdir(), 'bursar-bench-'));
  try {
    const script = join(folder, 'floor.sql');
    await writeFile(script, `\\set n random(1, 9000000000000000)\n${statement};\n`);
    const { stdout } = await run(
      'pgbench',
      ['-n', '-M', 'prepared', '-c', String(clients), '-j', '1', '-T', String(seconds), '-f', script, url],
      {
        maxBuffer: 1 << 24,
      },
    );
    const perSecond = Number(/tps = ([\d.]+) \(without/.exec(stdout)?.[1] ?? /tps = ([\d.]+)/.exec(stdout)?.[1]);
    return { tool: 'pgbench', perSecond, meanMs: Number(/latency average = ([\d.]+) ms/.exec(stdout)?.[1]) };
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function withRawLoop(url: string, statement: string, clients: number, seconds: number): Promise<Floor> {
  const sql = connectPostgres({ url, poolSize: clients });
  const until = performance.now() + seconds * 1000;
  const latencies: number[] = [];
  let n = 0;
  const text = statement.replaceAll(':n', '$1::bigint');
  const parameters = () => (statement.includes(':n') ? [Date.now() * 1_000_000 + n++] : []);
  await Promise.all(
    Array.from({ length: clients }, async () => {
      while (performance.now() < until) {
        const sent = performance.now();
        await sql.unsafe(text, parameters(), { prepare: true });
        latencies.push(performance.now() - sent);
      }
    }),
  );
  await sql.end();
  latencies.sort((a, b) => a - b);
  return { tool: 'raw loop', perSecond: latencies.length / seconds, meanMs: quantile(latencies, 0.5) };
}
