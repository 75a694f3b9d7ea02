/** `bursar demo` as `npm run demo` runs it: the built command, the real stack, the shipped log. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { groupRows } from '../../cli/demo/log';
import { makePlan } from '../../cli/demo/plan';
import { PACKAGE_ROOT } from '../../platform/paths';
import { findRunningStack } from '../../platform/supervisor';
import { ensureBuilt } from '../helpers/built';
import { noteServer, removeScratch, scratchHome } from '../helpers/scratch';

jest.setTimeout(600_000);

let home: string;

function demo(...args: string[]): Promise<{ code: number | null; out: string }> {
  const {
    BURSAR_URL: _url,
    ASBB_URL: _asbb,
    DATABASE_URL: _database,
    TEMPORAL_ADDRESS: _temporal,
    ...rest
  } = process.env;
  const child = spawn(process.execPath, [join(PACKAGE_ROOT, 'bin/bursar.js'), 'demo', ...args], {
    env: { ...rest, BURSAR_HOME: home, BURSAR_PORT: '0' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      out += chunk.toString();
      for (const identity of Object.values(findRunningStack(home)?.services ?? {})) noteServer(home, identity);
    });
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, out }));
  });
}

beforeAll(async () => {
  ensureBuilt();
  home = await scratchHome();
});
afterAll(() => removeScratch(home));

test('the demo replays its log, denies what it said it would, ends with books that balance, and can be run again', async () => {
  const log = groupRows(readFileSync(join(PACKAGE_ROOT, 'examples/pinewood-march.log'), 'utf8').split('\n'), {
    timeZone: 'UTC',
    cluster: 'demo',
  });
  const denials = makePlan(log.jobs).accounts.reduce((sum, account) => sum + account.denials, 0);

  const first = await demo();
  if (first.code !== 0) throw new Error(first.out);
  for (const word of ['held', 'running', 'requeued', 'ended', 'settled', 'released', 'denied']) {
    expect(first.out).toMatch(new RegExp(`^.{8}  ${word} `, 'm'));
  }
  expect(first.out).toMatch(/denied .*Insufficient budget: /);
  expect(first.out).toMatch(/denied .*Partition limit exceeded: /);
  expect(first.out).toContain(
    `submitted ${log.jobs.length}/${log.jobs.length}, pending 0, running 0, settling 0, settled ${log.jobs.length - denials - 2}, released 2, denied ${denials}; `,
  );
  expect(first.out).toMatch(/^all +.* 0\.00$/m);
  expect(first.out).toContain('The books balance');
  expect(first.out).toContain('difference 0.');
  expect(first.out).toMatch(
    /Temporal UI: +http:\/\/127\.0\.0\.1:\d+\/namespaces\/default\/workflows\?query=BudgetCluster/,
  );
  expect(first.out).not.toContain('still open');
  expect(findRunningStack(home)).toBeUndefined();

  const second = await demo('--jobs', '10', '--once');
  if (second.code !== 0) throw new Error(second.out);
  expect(second.out).toContain('Demo 2 on this data');
  expect(second.out).toMatch(/^climate-2 /m);
  expect(second.out).toContain('The books balance');
});

test('a log that is not there, or is none, is said before anything is started', async () => {
  expect(await demo('--log', '/no/such.log')).toEqual({ code: 2, out: 'There is no file /no/such.log.\n' });
  const { code, out } = await demo('--log', join(PACKAGE_ROOT, 'package.json'));
  expect(code).toBe(2);
  expect(out).toContain('has no job that could be replayed');
});
