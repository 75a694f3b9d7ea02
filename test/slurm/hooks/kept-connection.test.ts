/** The connection that job_submit.lua keeps between two submissions: used while it is good, and never for more than that. */
import { once } from 'node:events';
import { respond } from './helpers/hook';
import { openSubmitHouse, quickest, REFUSED, YES } from './helpers/hook-house';

const house = openSubmitHouse();
const { startHook: start, change, submit } = house;
const keysAsked = () => house.service.asked.map(({ body }) => (body as { key: string }).key);

test('submissions share one connection, whatever is answered and however it is framed', async () => {
  start();
  await submit();
  house.service.answer = { ...YES, accept: false };
  await submit();
  house.service.answer = (_asked, response) => respond(response, 400, { detail: 'what is that?' });
  await submit();
  house.service.answer = (_asked, response) => {
    const text = JSON.stringify(YES);
    response.writeHead(200, { 'content-length': text.length }).end(text);
  };
  await submit({ script: 'x'.repeat(60_000) });
  expect(await submit()).toMatchObject({ code: 0 });
  expect(house.service.asked).toHaveLength(5);
  expect(house.service.connections).toHaveLength(1);
});

test('a connection that was closed since is noticed, and the question is asked once', async () => {
  start();
  await submit();
  const [first] = house.service.connections;
  first?.destroy();
  expect(await submit()).toMatchObject({ code: 0 });
  expect(house.service.asked).toHaveLength(2);
  expect(house.service.connections).toHaveLength(2);
});

test('one that is closed under the question is asked again on a new one, with the same key and within the same deadline', async () => {
  start();
  await submit();
  house.service.answer = (_asked, response) => {
    house.service.answer = YES;
    response.socket?.destroy();
  };
  const came = await submit();
  expect(came).toMatchObject({ code: 0, logged: '' });
  const [, second, third] = keysAsked();
  expect(second).toBe(third);
  expect(came.comment).toBe(`bursar:${third}`);
  expect(house.service.connections).toHaveLength(2);

  // The second time it is the service that fails, not the connection.
  house.service.answer = (_asked, response) => response.socket?.destroy();
  expect(await submit()).toMatchObject({ code: REFUSED, logged: expect.stringContaining('closed') });
  expect(house.service.asked).toHaveLength(5);

  change({ deadline_ms: 500, breaker: { failures: 9, seconds: 60 } });
  const late = await quickest(async () => {
    house.service.answer = YES;
    await submit();
    house.service.answer = (_asked, response) => {
      house.service.answer = () => undefined;
      setTimeout(() => response.socket?.destroy(), 200);
    };
    return submit();
  });
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
  change({ deadline_ms: 500, breaker: { failures: 3, seconds: 60 } });
  house.service.answer = (_asked, response) => void fail(response);
  expect(await submit()).toMatchObject({ code: REFUSED });
  change({ breaker: { failures: 3, seconds: 60 } });
  expect(house.service.asked).toHaveLength(2);
  house.service.answer = YES;
  expect(await submit()).toMatchObject({ code: 0 });
  expect(house.service.connections).toHaveLength(2);
});

test('a service that says so, or sends more than it was asked for, is asked on a new connection', async () => {
  start();
  house.service.answer = (_asked, response) => {
    response.setHeader('connection', 'close');
    respond(response, 200, YES);
  };
  await submit();
  house.service.answer = (_asked, response) => respond(response, 200, YES);
  await submit();
  expect(house.service.connections).toHaveLength(2);
  await new Promise((sent) => house.service.connections[1]?.write('HTTP/1.1 200 OK\r\n', sent));
  await submit();
  expect(house.service.connections).toHaveLength(3);
});

test('another address, or another token, closes the connection', async () => {
  start();
  await submit();
  const [first] = house.service.connections;
  change({ token: 'newer' });
  const closed = first && once(first, 'close');
  await submit();
  await closed;
  change({ token: 'newer', url: house.service.url.replace('127.0.0.1', 'localhost') });
  await submit();
  expect(house.service.connections).toHaveLength(3);
  expect(house.service.asked.map(({ authorization }) => authorization)).toEqual([
    'Bearer secret',
    'Bearer newer',
    'Bearer newer',
  ]);
});
