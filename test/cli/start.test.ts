/** How the command starts: from what V8 has made of it before, where that is there and fits. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { childEnvironment } from '../../platform/config';
import { PACKAGE_ROOT } from '../../platform/paths';
import { ensureBuilt } from '../helpers/built';
import { removeScratch, scratchFolder } from '../helpers/scratch';

let folder: string;
beforeAll(() => {
  ensureBuilt();
  folder = scratchFolder();
  for (const name of ['bin', 'dist', 'migrations']) mkdirSync(join(folder, name));
  for (const name of ['package.json', 'bin/bursar.js', 'dist/bursar.js', 'dist/build.json'])
    copyFileSync(join(PACKAGE_ROOT, name), join(folder, name));
});
afterAll(() => removeScratch(folder));

test('what V8 made of the command is kept and used, and only where it is its own', () => {
  const cache = join(folder, 'dist/bursar.cache');
  const start = (...more: string[]) => {
    const args = [...more, join(folder, 'bin/bursar.js'), 'version'];
    const { status, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8', env: childEnvironment({}) });
    expect({ status, stdout }).toEqual({ status: 0, stdout: expect.stringMatching(/^Version: /) });
  };
  start('--jitless'); // Another V8, so to speak: it leaves nothing that an ordinary one cannot use.
  expect(() => statSync(cache)).toThrow('ENOENT');
  start();
  const { ino } = statSync(cache);
  start();
  expect(statSync(cache).ino).toBe(ino);

  writeFileSync(cache, 'half a cache');
  start();
  expect(readFileSync(cache).length).toBeGreaterThan(10_000);

  rmSync(cache);
  mkdirSync(cache); // As where it may not write.
  start();
});
