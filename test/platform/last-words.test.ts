/** A log that cannot be written ends nothing and holds up nothing: the service works, and ends when it is told to. */
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { createServer } from 'node:net';
import { freePort } from '../../platform/embedded/ports';
import { freshDatabase, type TestDatabase } from '../helpers/database';
import { eventually } from '../helpers/eventually';
import { API, openProcesses, type Processes } from '../helpers/processes';

let database: TestDatabase;
let processes: Processes;

beforeAll(async () => {
  processes = openProcesses();
  database = await freshDatabase();
});
afterAll(async () => {
  processes.kill();
  await database.drop();
});

/** Every write to this file fails with ENOSPC. */
const FULL_DISK = '/dev/full';

function start(args: string[], settings: Record<string, string> = {}) {
  const full = openSync(FULL_DISK, 'w');
  const started = processes.start(args, settings, full);
  closeSync(full);
  return started;
}

test('a service whose log is on a full disk goes on answering, and ends when it is told to', async () => {
  const port = String(await freePort());
  const api = start([API], { DATABASE_URL: database.url, BURSAR_PORT: port, BURSAR_LOG_LEVEL: 'debug' });
  const ask = async () => (await fetch(`http://127.0.0.1:${port}/api/v1/accounts`)).status;
  await eventually('it answers', async () => (await ask().catch(() => 0)) === 200);
  // Far more lines than are kept for better times.
  for (let round = 0; round < 100; round++)
    expect(await Promise.all(Array.from({ length: 20 }, ask))).not.toContain(500);
  expect(api.child.exitCode).toBeNull();
  api.child.kill('SIGTERM');
  expect(await api.ended).toBe(0);
});

test('a service that cannot even say why it ends ends', async () => {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const address = holder.address();
  const port = typeof address === 'object' && address !== null ? String(address.port) : '';
  const api = start([API], { DATABASE_URL: database.url, BURSAR_PORT: port });
  expect(await api.ended).toBe(1);
  await new Promise((resolve) => holder.close(resolve));
});

test('a process whose last words throw does not live on as a ghost', async () => {
  const script = `
    const { handleShutdown } = require('./dist/platform/shutdown');
    const { openLog } = require('./dist/platform/log');
    const shutdown = handleShutdown({ log: openLog({ service: 'test', level: 'info' }), deadlineMs: 60_000 });
    process.on('exit', () => { throw new Error('no space left on device'); });
    setInterval(() => {}, 1_000);
    void shutdown.begin('test');`;
  const { child, ended } = start(['-e', script]);
  expect(await ended).toBeNull();
  expect(child.signalCode).toBe('SIGKILL');
});

test('what was said while the disk was full is read when there is room again', async () => {
  const script = `
    const fs = require('node:fs');
    const { write } = fs;
    let isFull = true;
    fs.write = (fd, page, done) => isFull ? done(Object.assign(new Error('full'), { code: 'ENOSPC' }), 0) : write(fd, page, done);
    const { openLog } = require('./dist/platform/log');
    const log = openLog({ service: 'test', level: 'info' });
    log.info('then');
    log.flush();
    isFull = false;
    log.info('now');`;
  const { ended, lines } = processes.start(['-e', script]);
  expect(await ended).toBe(0);
  expect(lines().map(({ msg }) => msg)).toEqual(['then', 'now']);
});
