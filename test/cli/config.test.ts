/** `bursar config`: the file is written, checked and explained, and nothing secret is printed. */
import { spawnSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { childEnvironment } from '../../platform/config';
import { KEY_NAMES } from '../../platform/config/keys';
import { PACKAGE_ROOT } from '../../platform/paths';
import { ensureBuilt } from '../helpers/built';
import { removeScratch, scratchFolder } from '../helpers/scratch';
import { runBursar } from './helpers/cli';

let folder: string;
beforeAll(() => void (folder = scratchFolder()));
afterAll(() => removeScratch(folder));

const fileWith = (text: string): string => {
  const path = join(folder, 'given.yaml');
  writeFileSync(path, text);
  return path;
};

test('init writes a file that validate likes, for its owner only, and never over another', async () => {
  const path = join(folder, 'bursar.yaml');
  expect(await runBursar(['config', 'init', '--output', path])).toMatchObject({ code: 0, err: '' });
  expect(readFileSync(path, 'utf8')).toBe((await runBursar(['config', 'init'])).out);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(await runBursar(['config', 'validate', path])).toMatchObject({ code: 0, out: `${path}: no mistakes.\n` });
  const again = await runBursar(['config', 'init', '--output', path]);
  expect(again).toMatchObject({ code: 1, err: `${path} was not written: it is there already.\n` });
});

test('validate ends with 1 and names every mistake, and what changes nothing', async () => {
  const path = fileWith(
    'database:\n  driver: mysql\n  dsn: mysql://me:hunter2@db\ngrant_management:\n  enabled: true\n',
  );
  const { code, out, err } = await runBursar(['config', 'validate', path]);
  expect({ code, err }).toEqual({ code: 1, err: '' });
  expect(out).toContain(`${path}:2: database.driver cannot be "mysql"`);
  expect(out).toContain(`${path}:3: database.dsn cannot be`);
  expect(out).toContain(
    `Warning: ${path}:5: grant_management.enabled changes nothing: it is not in this version of Bursar`,
  );
  expect(out).toContain('2 mistakes.');
  expect(out).not.toContain('hunter2');
  const { json } = await runBursar(['--config', path, 'config', 'validate', '--json']);
  expect(json).toMatchObject({
    ok: false,
    mistakes: [expect.anything(), expect.anything()],
    warnings: [expect.anything()],
  });
  expect(await runBursar(['config', 'validate'], { env: { BURSAR_CONFIG: join(folder, 'none.yaml') } })).toMatchObject({
    code: 1,
  });
});

test('show prints every value with where it comes from, and masks secrets', async () => {
  const path = fileWith('database:\n  dsn: postgres://me:hunter2@db/x\nlogging:\n  level: warn\n');
  const env = { BURSAR_CONFIG: path, ASBB_METRICS_ACCOUNTS: '7' };
  const { code, out } = await runBursar(['config', 'show'], { env });
  expect(code).toBe(0);
  expect(out).toMatch(new RegExp(`^database.dsn +postgres://me:\\*\\*\\*@db/x +${path}:2$`, 'm'));
  expect(out).toMatch(/^metrics.accounts +7 +ASBB_METRICS_ACCOUNTS$/m);
  expect(out).toMatch(/^metrics.path +\/metrics +default$/m);
  for (const key of KEY_NAMES) expect(out).toMatch(new RegExp(`^${key} `, 'm'));
  const json = await runBursar(['config', 'show', '--json'], { env });
  expect(json.json).toMatchObject({
    file: path,
    values: expect.arrayContaining([
      { key: 'logging.level', value: 'warn', from: `${path}:4`, secret: false, reloads: true },
    ]),
  });
  expect(out + json.out).not.toContain('hunter2');
});

test('the commands that start or look into a server read the file that --config names', async () => {
  const path = fileWith('logging:\n  levle: info\n');
  for (const command of [['up'], ['database', 'status'], ['config', 'show']]) {
    const { code, err } = await runBursar(['-c', path, ...command]);
    expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining(`${path}:2: logging.levle is no key`) });
  }
});

test('version and status load neither the YAML library nor the validator, also where there is a file', () => {
  ensureBuilt();
  const hook = join(folder, 'hook.js');
  writeFileSync(
    hook,
    `const Module = require('node:module');
     const load = Module._load;
     Module._load = function (name, ...rest) { process.stderr.write('loads ' + name + '\\n'); return load.call(this, name, ...rest); };`,
  );
  const loads = (...args: string[]) =>
    spawnSync(process.execPath, ['-r', hook, join(PACKAGE_ROOT, 'dist/bursar.js'), ...args], {
      encoding: 'utf8',
      env: { ...childEnvironment(), BURSAR_CONFIG: fileWith('logging:\n  level: warn\n') },
    }).stderr;
  expect(loads('config', 'validate')).toMatch(/^loads yaml$[^]*^loads zod$|^loads zod$[^]*^loads yaml$/m);
  for (const args of [['version'], ['status', '--endpoint', 'http://127.0.0.1:1']]) {
    expect(loads(...args)).toMatch(/^loads node:/m);
    expect(loads(...args)).not.toMatch(/^loads (yaml|zod)/m);
  }
});
