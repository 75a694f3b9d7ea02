/**
 * How long does somebody wait who types a command? Beside Node doing nothing at all, each in turn, so that whatever else the
 * machine does meets all of them.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { childEnvironment } from '../platform/config';
import { PACKAGE_ROOT } from '../platform/paths';
import { figureOf, type Figure } from './http-load';
import { conclude, machine, medianRatio, ms, table, times, type Mark, type Options } from './report';
import { say, withStack } from './stack';

const FLOOR = 'node, doing nothing';
const BURSAR = join(PACKAGE_ROOT, 'bin/bursar.js');

export const startupBench = (options: Options): Promise<boolean> =>
  withStack(async (stack) => {
    const on = machine(stack.postgresVersion);
    const api = await stack.api(await stack.database('bench'));
    const env = childEnvironment({ BURSAR_URL: api.url });
    const cases = [
      { name: FLOOR, args: ['-e', '0'] },
      { name: 'bursar version', args: [BURSAR, 'version'], bound: 1.3 },
      { name: 'bursar status', args: [BURSAR, 'status'], bound: 2 },
      { name: 'bursar account list', args: [BURSAR, 'account', 'list'] },
      { name: 'bursar --help', args: [BURSAR, '--help'] },
    ].map((each) => ({ ...each, tookMs: [] as number[] }));
    const { rounds } = options.quick ? { rounds: 3 } : { rounds: 40 };

    for (const { args } of cases) await timeOf(args, env); // The disk's own memory.
    say(`${rounds} rounds …`);
    for (let round = 1; round <= rounds; round++) {
      for (const each of cases) each.tookMs.push(await timeOf(each.args, env));
    }

    const floor = cases[0]?.tookMs ?? [];
    const figures = cases.map(({ name, tookMs }): { name: string } & Omit<Figure, 'perSecond'> => {
      const { p50Ms, p99Ms } = figureOf(tookMs, 1);
      return { name, p50Ms, p99Ms };
    });
    const rows = cases.map(({ name, tookMs }, n) => {
      const { p50Ms = Number.NaN, p99Ms = Number.NaN } = figures[n] ?? {};
      return [name, ms(p50Ms), ms(p99Ms), times(medianRatio(tookMs, floor))];
    });
    process.stdout.write(`\n${table(['from start to end', 'p50 ms', 'p99 ms', 'to node'], rows)}\n`);
    const marks = cases.flatMap(({ name, bound, tookMs }): Mark[] =>
      bound === undefined ? [] : [{ name: `${name} / ${FLOOR}`, ratio: medianRatio(tookMs, floor), bound, is: 'most' }],
    );
    return conclude('startup', on, marks, { rounds, cases: figures }, options);
  });

function timeOf(args: string[], env: NodeJS.ProcessEnv): Promise<number> {
  return new Promise((resolve, reject) => {
    const began = performance.now();
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    child.stdout.resume();
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0
        ? resolve(performance.now() - began)
        : reject(new Error(`${args.join(' ')} ended with ${code}: ${said}`)),
    );
  });
}
