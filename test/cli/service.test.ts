/** `bursar service`: the built command runs the server in the foreground, and says part by part how it is. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '../../platform/embedded/ports';
import { PACKAGE_ROOT } from '../../platform/paths';
import { findRunningStack } from '../../platform/supervisor';
import { ensureBuilt } from '../helpers/built';
import { freshDatabase, type TestDatabase } from '../helpers/database';
import { eventually } from '../helpers/eventually';
import { noteServer, removeScratch, scratchHome } from '../helpers/scratch';
import { temporalAddress, uniqueName } from '../helpers/temporal';

const BURSAR = join(PACKAGE_ROOT, 'bin/bursar.js');

let home: string;
let database: TestDatabase;
let env: NodeJS.ProcessEnv;
let server: ChildProcess | undefined;

beforeAll(async () => {
  ensureBuilt();
  home = await scratchHome();
  database = await freshDatabase();
  const { BURSAR_URL: _bursar, ASBB_URL: _asbb, ...rest } = process.env;
  env = {
    ...rest,
    BURSAR_HOME: home,
    BURSAR_PORT: String(await freePort()),
    DATABASE_URL: database.url,
    TEMPORAL_ADDRESS: await temporalAddress(),
    // A namespace of its own, so that no other worker can be seen in it.
    TEMPORAL_NAMESPACE: uniqueName('service'),
  };
});
afterAll(async () => {
  server?.kill('SIGINT');
  if (server?.exitCode === null) await once(server, 'exit');
  await removeScratch(home);
  await database.drop();
});

interface Ended {
  code: number;
  stdout: string;
}

const run = async (...args: string[]): Promise<Ended> => {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [BURSAR, ...args], { env });
    return { code: 0, stdout };
  } catch (error) {
    const { code, stdout } = error as Ended; // execFile rejects with what the process said and how it ended.
    return { code, stdout };
  }
};

interface Report {
  healthy: boolean;
  parts: { part: string; state: string; version?: string; where?: string; detail?: string }[];
}
const readReport = ({ stdout }: Ended) => JSON.parse(stdout) as Report;
const stateOf = (report: Report) => Object.fromEntries(report.parts.map(({ part, state }) => [part, state]));

test('before it is started: its databases are looked at all the same, and it ends with 5', async () => {
  const ended = await run('service', 'status', '--json');
  const report = readReport(ended);
  expect(ended.code).toBe(5);
  expect(stateOf(report)).toMatchObject({
    API: 'unhealthy',
    database: 'healthy',
    Temporal: 'healthy',
    worker: 'unhealthy',
  });
  expect(report.parts[0]?.detail).toContain('nothing listens there');
});

test('start runs it until it is told to end, and status says what runs where and in which version', async () => {
  server = spawn(process.execPath, [BURSAR, 'service', 'start'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  server.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await eventually('it is up', () => said.includes('Bursar is up'), 120_000);
  for (const identity of Object.values(findRunningStack(home)?.services ?? {})) noteServer(home, identity);

  const ended = await eventually(
    'all of it is well',
    async () => {
      const tried = await run('service', 'status', '--json');
      return tried.code === 0 ? tried : undefined;
    },
    60_000,
  );
  const report = readReport(ended);
  expect(report).toMatchObject({ healthy: true, home });
  const { version } = JSON.parse((await run('version', '--json')).stdout) as { version: string };
  expect(report.parts).toEqual([
    {
      part: 'API',
      state: 'healthy',
      version,
      where: `http://127.0.0.1:${env.BURSAR_PORT}`,
      detail: expect.stringMatching(/^up /),
    },
    {
      part: 'database',
      state: 'healthy',
      version: expect.stringMatching(/^1\d/),
      where: expect.stringMatching(/^postgres:/),
      detail: expect.stringMatching(/^schema \d+$/),
    },
    {
      part: 'Temporal',
      state: 'healthy',
      version: expect.stringMatching(/^1\.\d+/),
      where: `${env.TEMPORAL_ADDRESS}, namespace ${env.TEMPORAL_NAMESPACE}`,
    },
    {
      part: 'worker',
      state: 'healthy',
      where: expect.any(String),
      detail: expect.stringMatching(/^asked for work \d+ s ago$/),
    },
  ]);
  const shown = (await run('service', 'status')).stdout;
  expect(shown).toContain(`Runs in ${home} (process ${server.pid}) since `);
  expect(shown).toMatch(/^PART +STATE +VERSION +WHERE +DETAIL$/m);
  expect((await run('service', 'status', '--csv')).stdout).toMatch(/^part,state,version,where,detail\r\nAPI,healthy,/);
});

test('a schema that is not of this version is unhealthy, and says what to do', async () => {
  await database.sql`insert into migrations.applied (name, hash) values ('9999_the_future.sql', 'x')`;
  const ended = await run('service', 'status', '--json');
  await database.sql`delete from migrations.applied where name = '9999_the_future.sql'`;
  expect(ended.code).toBe(5);
  expect(readReport(ended).parts[1]).toMatchObject({
    state: 'unhealthy',
    detail: expect.stringContaining('upgrade this one'),
  });
});

test('another server is asked how its own parts are', async () => {
  const { DATABASE_URL: _database, TEMPORAL_ADDRESS: _temporal, ...elsewhere } = env;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [BURSAR, 'service', 'status', '--json', '--endpoint', `http://127.0.0.1:${env.BURSAR_PORT}`],
    { env: elsewhere },
  );
  expect(stateOf(JSON.parse(stdout) as Report)).toEqual({
    API: 'healthy',
    database: 'healthy',
    Temporal: 'healthy',
    worker: 'unknown',
  });
});

test('SIGTERM ends it in order', async () => {
  server?.kill('SIGTERM');
  const [code] = await once(server as ChildProcess, 'exit'); // It was started above.
  expect(code).toBe(0);
  expect(await run('service', 'status')).toMatchObject({ code: 5 });
});
