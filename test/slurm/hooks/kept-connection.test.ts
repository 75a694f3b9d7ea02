/** The connection that job_submit.lua keeps between two submissions: used while it is good, and never for more than that. */
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { removeScratch, scratchFolder } from '../../helpers/scratch';
import { respond, startHook, startService, type Hook, type Service } from './helpers/hook';

const YES = { accept: true, message: '', mode: 'enforce' };
const REFUSED = 2050;
const JOB = { user_name: 'rkaur', user_id: 1000, account: 'lab', partition: 'gpu', time_limit: 60, min_cpus: 4 };

let scratch: string;
let folder: string;
let service: Service;
let hook: Hook | undefined;
let made = 0;
beforeAll(async () => {
  scratch = scratchFolder();
  service = await startService();
});
beforeEach(() => {
  folder = join(scratch, String((made += 1)));
  mkdirSync(folder);
  service.asked.length = 0;
  service.connections.length = 0;
  service.answer = YES;
});
afterEach(() => hook?.stop());
afterAll(async () => {
  await service.stop();
  await removeScratch(scratch);
});

const configOf = (more: object) => ({
  url: service.url,
  token: 'secret',
  cluster: 'eagle',
  deadline_ms: 500,
  spool: join(folder, 'spool'),
  policy_file: join(folder, 'policy.json'),
  ...more,
});
const start = (more: object = {}): Hook => (hook = startHook('job_submit.lua', folder, configOf(more)));
/** The hook reads its configuration for each submission. */
const change = (more: object) => writeFileSync(join(folder, 'slurm.json'), JSON.stringify(configOf(more)));
const submit = (job: object = {}) => (hook as Hook).call({ call: 'submit', job: { ...JOB, ...job } });
const keysAsked = () => service.asked.map(({ body }) => (body as { key: string }).key);

test('submissions share one connection, whatever is answered and however it is framed', async () => {
  start();
  await submit();
  service.answer = { ...YES, accept: false };
  await submit();
  service.answer = (_asked, response) => respond(response, 400, { detail: 'what is that?' });
  await submit();
  service.answer = (_asked, response) => {
    const text = JSON.stringify(YES);
    response.writeHead(200, { 'content-length': text.length }).end(text);
  };
  await submit({ script: 'x'.repeat(60_000) });
  expect(await submit()).toMatchObject({ code: 0 });
  expect(service.asked).toHaveLength(5);
  expect(service.connections).toHaveLength(1);
});

test('a connection that was closed since is noticed, and the question is asked once', async () => {
  start();
  await submit();
  const [first] = service.connections;
  first?.destroy();
  expect(await submit()).toMatchObject({ code: 0 });
  expect(service.asked).toHaveLength(2);
  expect(service.connections).toHaveLength(2);
});

test('one that is closed under the question is asked again on a new one, with the same key and within the same deadline', async () => {
  start();
  await submit();
  service.answer = (_asked, response) => {
    service.answer = YES;
    response.socket?.destroy();
  };
  const came = await submit();
  expect(came).toMatchObject({ code: 0, logged: '' });
  const [, second, third] = keysAsked();
  expect(second).toBe(third);
  expect(came.comment).toBe(`bursar:${third}`);
  expect(service.connections).toHaveLength(2);

  // The second time it is the service that fails, not the connection.
  service.answer = (_asked, response) => response.socket?.destroy();
  expect(await submit()).toMatchObject({ code: REFUSED, logged: expect.stringContaining('closed') });
  expect(service.asked).toHaveLength(5);

  service.answer = YES;
  await submit();
  service.answer = (_asked, response) => {
    service.answer = () => undefined;
    setTimeout(() => response.socket?.destroy(), 200);
  };
  const late = await submit();
  expect(late.code).toBe(REFUSED);
  expect(late.ms).toBeGreaterThan(450);
  expect(late.ms).toBeLessThan(650);
});

test.each([
  ['half of an answer', (response: Parameters<typeof respond>[0]) => response.socket?.end('HTTP/1.1 200 OK\r\ncont')],
  ['no answer in time', () => undefined],
])('after %s the question is not repeated, and the connection is not used again', async (_name, fail) => {
  start({ breaker: { failures: 3, seconds: 60 } });
  await submit();
  service.answer = (_asked, response) => void fail(response);
  expect(await submit()).toMatchObject({ code: REFUSED });
  expect(service.asked).toHaveLength(2);
  service.answer = YES;
  expect(await submit()).toMatchObject({ code: 0 });
  expect(service.connections).toHaveLength(2);
});

test('a service that says so, or sends more than it was asked for, is asked on a new connection', async () => {
  start();
  service.answer = (_asked, response) => {
    response.setHeader('connection', 'close');
    respond(response, 200, YES);
  };
  await submit();
  service.answer = (_asked, response) => respond(response, 200, YES);
  await submit();
  expect(service.connections).toHaveLength(2);
  await new Promise((sent) => service.connections[1]?.write('HTTP/1.1 200 OK\r\n', sent));
  await submit();
  expect(service.connections).toHaveLength(3);
});

test('another address, or another token, closes the connection', async () => {
  start();
  await submit();
  const [first] = service.connections;
  change({ token: 'newer' });
  const closed = first && once(first, 'close');
  await submit();
  await closed;
  change({ token: 'newer', url: service.url.replace('127.0.0.1', 'localhost') });
  await submit();
  expect(service.connections).toHaveLength(3);
  expect(service.asked.map(({ authorization }) => authorization)).toEqual([
    'Bearer secret',
    'Bearer newer',
    'Bearer newer',
  ]);
});
