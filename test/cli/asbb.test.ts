/** Called as `asbb`, it prints what ASBB's commands print (contract 9): scripts read these lines. */
import { execFileSync } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { childEnvironment } from '../../platform/config';
import { PACKAGE_ROOT } from '../../platform/paths';
import { ensureBuilt } from '../helpers/built';
import { removeScratch, scratchFolder } from '../helpers/scratch';
import { startCli, type TestCli } from './helpers/cli';

let cli: TestCli;
beforeAll(async () => {
  cli = await startCli();
});
afterAll(() => cli.stop());

const create = (name: string, ...more: string[]) =>
  cli.asbb(
    'account',
    'create',
    '--name=Climate ML',
    `--account=${name}`,
    '--start=2026-01-01',
    '--end=2098-12-31',
    ...more,
  );

test('without accounts the list is one sentence', async () => {
  expect((await cli.asbb('account', 'list')).out).toBe('No budget accounts found.\n');
});

test('account create: the success line, then the account, its days in UTC and the last one included', async () => {
  expect((await create('climate', '--budget=1000', '--description=NSF task 2')).out).toBe(
    [
      '✅ Budget account created successfully!',
      'Account: climate',
      'Name: Climate ML',
      'Budget Limit: $1000.00',
      'Period: 2026-01-01 to 2098-12-31',
      'Status: active',
      '',
    ].join('\n'),
  );
  expect((await cli.works('account', 'show', 'climate', '--json')).json).toMatchObject({
    start_date: '2026-01-01T00:00:00Z',
    end_date: '2099-01-01T00:00:00Z',
  });
});

test('account show: its blocks', async () => {
  await cli.works('check', '--account', 'climate', '--partition', 'cpu', '--cpus', '10', '--time', '60', '--hold');
  expect((await cli.asbb('account', 'show', 'climate')).out).toMatch(
    new RegExp(
      [
        '^Account Details:',
        '================',
        'SLURM Account: climate',
        'Name: Climate ML',
        'Description: NSF task 2',
        '',
        'Budget Information:',
        'Limit: \\$1000\\.00',
        'Used: \\$0\\.00',
        'Held: \\$1\\.20',
        'Available: \\$998\\.80',
        '',
        'Account Status: active',
        'Period: 2026-01-01 to 2098-12-31',
        '',
        'Created: \\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d UTC',
        'Updated: \\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d UTC',
        '$',
      ].join('\n'),
    ),
  );
});

test('account list: all of them, in its columns, to the cent', async () => {
  await create('other', '--budget=0.005', '--unit', 'SU');
  expect((await cli.asbb('account', 'list')).out).toBe(
    [
      'ACCOUNT  NAME        LIMIT     USED     HELD     AVAILABLE  STATUS  INCREMENTAL',
      'other    Climate ML  0.00 SU   0.00 SU  0.00 SU  0.00 SU    active  false',
      'climate  Climate ML  $1000.00  $0.00    $1.20    $998.80    active  false',
      '',
    ].join('\n'),
  );
  for (let n = 0; n < 60; n++) await cli.api.account(`many-${n}`);
  const all = await cli.asbb('account', 'list');
  expect(all).toMatchObject({ code: 0, err: '' });
  expect(all.out.trim().split('\n')).toHaveLength(1 + 62);
});

test('the built program knows by what name it was called', async () => {
  ensureBuilt();
  const folder = scratchFolder();
  const link = join(folder, 'asbb');
  symlinkSync(join(PACKAGE_ROOT, 'bin/bursar.js'), link);
  const run = (...args: string[]) =>
    execFileSync(process.execPath, [link, ...args], {
      encoding: 'utf8',
      env: childEnvironment({ BURSAR_URL: cli.url }),
    });
  expect(run('--version')).toMatch(/^asbb version bursar \d+\.\d+\.\d+ \(([0-9a-f]{40}|unknown)\)\n$/);
  expect(run('version')).toMatch(
    /^Version: \S+\nGit Commit: \S+\nBuild Time: \S+\nGo Version: node v\S+\nOS\/Arch: \w+\/\w+\n$/,
  );
  const help = run('reconcile', '--help');
  expect(help).toMatch(/^Usage: asbb reconcile [^]*--actual-cost[^]*\$ asbb reconcile 88123/);
  await removeScratch(folder);
});
