/** What the processes of a server say when they cannot begin. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../platform/paths';
import { ensureBuilt } from '../helpers/built';

beforeAll(ensureBuilt);

test.each(['api/main', 'worker/main', 'worker/dispatcher-main'])(
  '%s names every mistake of its configuration in one line of its log, and shows no stack',
  (entry) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(PACKAGE_ROOT, 'dist', `${entry}.js`)], {
      encoding: 'utf8',
      env: {
        PATH: process.env.PATH,
        BURSAR_LOG_LEVEL: 'loud',
        BURSAR_LOGGING_FORMAT: 'morse',
        BURSAR_LOGING_FORMAT: 'x',
      },
    });
    expect({ status, stderr }).toEqual({ status: 1, stderr: '' });
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toMatchObject([
      { level: 'warn', msg: 'configuration', warning: expect.stringContaining('BURSAR_LOGING_FORMAT') as string },
      { level: 'fatal', msg: 'configuration cannot be used' },
    ]);
    const mistakes = String(lines.at(-1)?.mistakes);
    expect(mistakes).toContain('BURSAR_LOG_LEVEL cannot be "loud"');
    expect(mistakes).toContain('BURSAR_LOGGING_FORMAT cannot be "morse"');
    expect(mistakes).toContain('DATABASE_URL is missing');
  },
);
