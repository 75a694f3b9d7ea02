/** job_submit.lua with everything around it played: what it asks, what it stamps, and how long it takes at most. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readStamp, renderStamp } from '../../../domain/slurm-stamp';
import { STAMP_CASES } from '../../domain/slurm-stamp-cases';
import { respond, spooled } from './helpers/hook';
import { openSubmitHouse, quickest, REFUSED, YES } from './helpers/hook-house';

const NO = { accept: false, message: "Insufficient budget: in account 'lab' 12.4 USD is left." };
const STAMP = /^bursar:[0-9a-f]{32}$/;

const house = openSubmitHouse();
const { startHook: start, submit } = house;
const policy = (more: object) =>
  writeFileSync(
    join(house.folder, 'policy.json'),
    JSON.stringify({
      cluster: 'eagle',
      unit: 'USD',
      failure_policy: 'closed',
      exempt_users: ['root'],
      exempt_partitions: ['debug'],
      without_account: 'deny',
      default_partition: 'gpu',
      partitions: { gpu: { weight: 1, per_hour: { cpu: 1, gpu: 10 }, max_minutes: 600 }, debug: {} },
      ...more,
    }),
  );
const nobody = { url: 'http://127.0.0.1:9' };
/** For a total of the hour, which must not begin anew meanwhile. */
const inOneHour = (job: object = {}) => submit(job, { now: 1_767_000_000 });

test('a job that may start is stamped with the key that was asked with, and what nobody said is not sent', async () => {
  start();
  const came = await submit({ tres_per_node: 'gres:gpu:2', array_inx: '1-10%2', script: '#!/bin/sh\n' });
  expect(came).toMatchObject({ code: 0, told: '', comment: expect.stringMatching(STAMP) });
  expect(house.service.asked).toEqual([
    {
      path: '/api/v1/slurm/submissions',
      authorization: 'Bearer secret',
      body: {
        cluster: 'eagle',
        key: came.comment?.slice('bursar:'.length),
        job: {
          user: 'rkaur',
          user_id: 1000,
          account: 'lab',
          partition: 'gpu',
          time_limit: 60,
          min_cpus: 4,
          tres_per_node: 'gres:gpu:2',
          array: '1-10%2',
          script: '#!/bin/sh\n',
        },
      },
    },
  ]);
  expect((await submit()).comment).not.toBe(came.comment);
});

test('a comment that is there stays in front of the stamp', async () => {
  start();
  expect((await submit({ admin_comment: 'ticket 7' })).comment).toMatch(/^ticket 7 bursar:[0-9a-f]{32}$/);
  expect((await submit({ admin_comment: 'a bursar:0123456789 b' })).comment).toMatch(/^a bursar:[0-9a-f]{32} b$/);
});

test.each(STAMP_CASES)(
  'the hooks read in %j what the service reads, and put the new stamp there',
  async (comment, key) => {
    start();
    const { stamp } = await house.call({ call: 'stamp', comment });
    expect(stamp).toBe(key && renderStamp(key));
    const { comment: stamped = '' } = await submit({ admin_comment: comment });
    expect(readStamp(stamped)).toBe(house.service.asked[0]?.body.key);
  },
);

test('a no is told in the words of the service', async () => {
  start();
  house.service.answer = NO;
  expect(await submit()).toMatchObject({ code: REFUSED, told: NO.message, comment: expect.stringMatching(STAMP) });
});

test('what the service cannot read is refused under every policy', async () => {
  policy({ failure_policy: 'open' });
  start();
  house.service.answer = (_asked, response) => respond(response, 400, { detail: 'time_limit: what is that?' });
  expect(await submit()).toMatchObject({ code: REFUSED, told: expect.stringContaining('what is that?') });
});

test('an answer that hangs, drips or floods takes the deadline and no longer; then the breaker spares the wait', async () => {
  policy({ failure_policy: 'open' });
  start({ deadline_ms: 500, breaker: { failures: 7, seconds: 60 } });
  house.service.answer = () => undefined;
  const hung = await quickest(submit);
  expect(hung).toMatchObject({ code: 0, comment: expect.stringMatching(STAMP) });
  expect(hung.ms).toBeGreaterThan(450);
  expect(hung.ms).toBeLessThan(650);
  house.service.answer = (_asked, response) => {
    // A line of the head at a time: each of them would have a patience of its own.
    response.socket?.write('HTTP/1.1 200 OK\r\n');
    const drip = setInterval(() => response.socket?.write('x: y\r\n'), 50);
    response.on('close', () => clearInterval(drip));
  };
  expect((await quickest(submit)).ms).toBeLessThan(650);
  house.service.answer = (_asked, response) => {
    response.writeHead(200);
    response.end('x'.repeat(1_000_000));
  };
  expect((await submit()).code).toBe(0);
  const asked = house.service.asked.length;
  const spared = await quickest(submit);
  expect(spared).toMatchObject({ code: 0, comment: expect.stringMatching(STAMP) });
  expect(spared.ms).toBeLessThan(100);
  expect(house.service.asked).toHaveLength(asked);
});

test('the breaker lets one through after its time, and an answer closes it', async () => {
  policy({ failure_policy: 'closed' });
  start({ breaker: { failures: 1, seconds: 0.2 } });
  house.service.answer = (_asked, response) => respond(response, 503, {});
  expect(await submit()).toMatchObject({ code: REFUSED, told: expect.stringContaining('cannot be asked now') });
  house.service.answer = YES;
  let came = await submit();
  while (came.code !== 0) came = await submit();
  expect(came.logged).toContain('answers again');
  expect((await submit()).code).toBe(0);
});

test.each([
  ['no policy file', undefined, {}, REFUSED, 'closed'],
  ['closed', {}, {}, REFUSED, 'closed'],
  ['open', { failure_policy: 'open' }, {}, 0, 'open'],
  [
    'closed for this partition',
    { failure_policy: 'open', partitions: { gpu: { failure_policy: 'closed' } } },
    {},
    REFUSED,
    'closed',
  ],
  [
    'the stricter of two partitions',
    { failure_policy: 'open', partitions: { gpu: { failure_policy: 'closed' } } },
    { partition: 'cpu,gpu' },
    REFUSED,
    'closed',
  ],
  ['an exempt user', {}, { user_name: 'root' }, 0, 'exempt'],
  ['an exempt partition', {}, { partition: 'debug' }, 0, 'exempt'],
  ['no account where one is needed', { failure_policy: 'open' }, { account: '' }, REFUSED, 'closed'],
  ['no account where none is needed', { without_account: 'exempt' }, { account: '' }, 0, 'exempt'],
  [
    'no policy of its own for that partition',
    { partitions: { '*': { failure_policy: 'open' } } },
    { partition: 'other' },
    0,
    'open',
  ],
  ['shadow mode', { enforcement: 'shadow' }, {}, 0, 'open'],
  ['no price', { failure_policy: 'open_to_limit', failure_limit: 1e6 }, { partition: 'other' }, REFUSED, 'closed'],
])('with the service away: %s', async (_name, file, job, code, outcome) => {
  if (file) policy(file);
  start(nobody);
  const came = await submit(job);
  expect(came).toMatchObject({ code, comment: expect.stringMatching(STAMP) });
  expect(came.told === '').toBe(code === 0);
  expect(came.logged).toContain(`${outcome} for user`);
  expect(spooled(house.folder, 'submit')).toEqual([
    expect.objectContaining({
      source: 'submit',
      outcome,
      key: came.comment?.slice(7),
      job: expect.objectContaining({ min_cpus: 4 }),
    }),
  ]);
});

test('open up to an amount an hour: what fits passes, what does not is refused, and the total outlives the script', async () => {
  policy({ failure_policy: 'open_to_limit', failure_limit: 30 });
  start(nobody);
  // Four CPUs and one GPU for an hour: 14. Two of them fit, and then one of two.
  const job = { tres_per_job: 'gres:gpu:a100:1' };
  expect(await inOneHour(job)).toMatchObject({ code: 0 });
  start(nobody);
  expect(await inOneHour(job)).toMatchObject({ code: 0 });
  expect(await inOneHour(job)).toMatchObject({ code: REFUSED, logged: expect.stringContaining('used up') });
  expect(await inOneHour({ min_cpus: 1, array_inx: '1-2' })).toMatchObject({ code: 0 });
  expect(await inOneHour({ min_cpus: 1, time_limit: 1 })).toMatchObject({ code: REFUSED });
  expect(spooled(house.folder, 'submit')).toEqual(
    ['open_to_limit', 'open_to_limit', 'closed', 'open_to_limit', 'closed'].map((outcome) =>
      expect.objectContaining({ outcome }),
    ),
  );
  expect(JSON.parse(readFileSync(join(house.folder, 'policy.json.hour'), 'utf8')).micro).toEqual({
    cluster: 30_000_000,
  });
});

test('open up to an amount an hour: of several partitions every amount counts, in whatever order they are named', async () => {
  policy({
    failure_policy: 'open_to_limit',
    failure_limit: 1000,
    partitions: {
      cpu: { per_hour: { cpu: 1 }, failure_limit: 10 },
      gpu: { per_hour: { cpu: 2 }, failure_limit: 100 },
      big: { per_hour: { cpu: 3 } },
      free: { per_hour: { cpu: 0 }, failure_policy: 'open' },
    },
  });
  start(nobody);
  // Four CPUs for an hour: 4 in cpu, 8 in gpu, 12 in big.
  expect(await inOneHour({ partition: 'gpu,cpu,free' })).toMatchObject({ code: 0 });
  expect(await inOneHour({ partition: 'big,cpu' })).toMatchObject({ code: 0 });
  for (const partition of ['gpu,cpu', 'cpu,gpu', 'free,big,cpu', 'cpu']) {
    expect(await inOneHour({ partition })).toMatchObject({
      code: REFUSED,
      logged: expect.stringContaining('partition cpu'),
    });
  }
  expect(await inOneHour({ partition: 'gpu' })).toMatchObject({ code: 0 });
  expect(JSON.parse(readFileSync(join(house.folder, 'policy.json.hour'), 'utf8')).micro).toEqual({
    'partition cpu': 8_000_000,
    'partition gpu': 16_000_000,
    cluster: 12_000_000,
  });
});

test('a total that was cut off, or cannot be written, lets nothing in', async () => {
  policy({ failure_policy: 'open_to_limit', failure_limit: 1000 });
  writeFileSync(join(house.folder, 'policy.json.hour'), '{"hou');
  start(nobody);
  expect(await submit()).toMatchObject({ code: REFUSED });
  start({ ...nobody, hour_file: join(house.folder, 'not', 'there') });
  expect(await submit()).toMatchObject({ code: REFUSED, logged: expect.stringContaining('cannot be written') });
});

test('a total of a clock that was far ahead lets nothing in until this hour is over, and not until that hour has come', async () => {
  policy({ failure_policy: 'open_to_limit', failure_limit: 1000 });
  start(nobody);
  const file = join(house.folder, 'policy.json.hour');
  const hour = Math.floor(Date.now() / 3_600_000);
  const counted = () => JSON.parse(readFileSync(file, 'utf8')) as { hour: number; micro: object };
  const write = (of: number, micro: object) => writeFileSync(file, JSON.stringify({ hour: of, micro }));

  // A clock that was set back by an hour opens no new one.
  write(hour + 1, { cluster: 999_000_000 });
  expect(await submit()).toMatchObject({ code: REFUSED, logged: expect.stringContaining('used up') });
  write(hour + 100_000, { cluster: 1 });
  expect(await submit()).toMatchObject({ code: REFUSED, logged: expect.stringContaining('is not known') });
  const { hour: closed, micro } = counted();
  expect([hour, hour + 1]).toContain(closed);
  expect(micro).toEqual({ unknown: 1 });
  write(closed - 1, { unknown: 1 });
  expect(await submit()).toMatchObject({ code: 0 });
});

test('a refused component of a heterogeneous job gives back the holds of those before it, and of nobody else', async () => {
  start();
  const component = (offset: number, more: object = {}) =>
    submit({ het_job_offset: offset, alloc_node: 'login1', ...more });
  const [first, , second] = [await component(0), await component(0, { user_id: 1001 }), await component(1)];
  house.service.answer = (asked, response) => respond(response, 200, asked.path.endsWith('/withdrawals') ? {} : NO);
  expect(await component(2)).toMatchObject({ code: REFUSED });
  expect(house.service.asked.at(-1)).toMatchObject({
    path: '/api/v1/slurm/withdrawals',
    body: { cluster: 'eagle', keys: [first.comment?.slice(7), second?.comment?.slice(7)] },
  });
});

test('two heterogeneous jobs that cannot be told apart are left to the looks at the queue', async () => {
  start();
  const component = (offset: number) => submit({ het_job_offset: offset, alloc_node: 'login1' });
  await component(0);
  await component(0);
  house.service.answer = NO;
  expect(await component(1)).toMatchObject({ code: REFUSED });
  expect(house.service.asked.filter(({ path }) => path.endsWith('/withdrawals'))).toEqual([]);
});

const RECORD = {
  job_id: 65_534,
  admin_comment: 'bursar:0123456789abcdef',
  account: 'lab',
  partition: 'gpu',
  time_limit: 60,
  user_id: 1000,
};
const modify = (job: object, more: object = {}) => house.call({ call: 'modify', job, record: RECORD, ...more });

test('a change that can cost is asked about with both sides of it, and refused with the reason; others are not asked about', async () => {
  start();
  expect(await modify({ time_limit: 120 })).toMatchObject({ code: 0 });
  expect(house.service.asked[0]).toMatchObject({
    path: '/api/v1/slurm/modifications',
    body: {
      job_id: 65_534,
      stamp: RECORD.admin_comment,
      new_key: expect.stringMatching(/^[0-9a-f]{32}$/),
      job: { time_limit: 60 },
      changes: { time_limit: 120 },
    },
  });
  house.service.answer = NO;
  expect(await modify({ account: 'other' })).toMatchObject({
    code: REFUSED,
    logged: expect.stringContaining(NO.message),
  });
  expect(house.service.asked).toHaveLength(2);
  expect(await modify({ priority: 0 })).toMatchObject({ code: 0 });
  expect(house.service.asked).toHaveLength(2);
});

test("an administrator's comment does not lose the stamp, and a new stamp takes the place of the old", async () => {
  start();
  expect(await modify({ admin_comment: 'watched' })).toMatchObject({ comment: `watched ${RECORD.admin_comment}` });
  const docs = 'see bursar:docs';
  expect(await modify({ admin_comment: docs })).toMatchObject({ comment: `${docs} ${RECORD.admin_comment}` });
  house.service.answer = { accept: true, stamp: 'bursar:fedcba9876543210' };
  expect(await modify({ account: 'other' }, { uid: 0 })).toMatchObject({ comment: 'bursar:fedcba9876543210' });
  expect((await modify({ account: 'other' }, { uid: 1000 })).comment).toBeUndefined();
});

test('with the service away a job may become shorter, and longer as the policy says; each is written down', async () => {
  policy({ failure_policy: 'closed' });
  start(nobody);
  expect(await modify({ time_limit: 30 })).toMatchObject({ code: 0 });
  expect(await modify({ time_limit: 90 })).toMatchObject({ code: REFUSED });
  policy({ failure_policy: 'open' });
  expect(await modify({ time_limit: 90 })).toMatchObject({ code: 0 });
  const written = (outcome: string, minutes: number) => ({
    source: 'modify',
    key: expect.stringMatching(/^[0-9a-f]{32}$/),
    at: expect.any(Number),
    outcome,
    job_id: RECORD.job_id,
    stamp: RECORD.admin_comment,
    job: { account: 'lab', partition: 'gpu', time_limit: 60 },
    changes: { time_limit: minutes },
    why: expect.any(String),
  });
  expect(spooled(house.folder, 'submit')).toMatchObject([
    written('open', 30),
    written('closed', 90),
    written('open', 90),
  ]);
});

test('what somebody else asks of a job is left to Slurm, which refuses it after us: no money moves', async () => {
  start();
  house.service.answer = NO;
  expect(await modify({ account: 'other' }, { uid: 1001 })).toMatchObject({ code: 0, logged: '' });
  expect(house.service.asked).toEqual([]);
  expect(await modify({ account: 'other' }, { uid: 1000 })).toMatchObject({ code: REFUSED });
  const slurmUser = process.getuid?.();
  expect(await modify({ account: 'other' }, { uid: slurmUser })).toMatchObject({ code: REFUSED });
  expect(house.service.asked.map(({ body }) => Object.keys(body as object))).not.toContainEqual(
    expect.arrayContaining(['uid']),
  );
});

test('a mistake of ours lets nobody in but root', async () => {
  start({ url: 7 });
  expect(await submit()).toMatchObject({ code: REFUSED });
  writeFileSync(join(house.folder, 'slurm.json'), '{');
  expect(await submit()).toMatchObject({
    code: REFUSED,
    told: expect.stringContaining('has failed'),
    logged: expect.stringContaining('cannot be read'),
  });
  rmSync(join(house.folder, 'slurm.json'));
  expect(await submit()).toMatchObject({
    code: REFUSED,
    told: expect.stringContaining('not installed here any more, and slurmctld has not been restarted'),
  });
  expect(await submit({}, { uid: 0 })).toMatchObject({ code: 0 });
  expect(existsSync(join(house.folder, 'spool/submit.ndjson'))).toBe(true);
});

test('a full spool, or none, stops no decision', async () => {
  policy({ failure_policy: 'open' });
  start({ ...nobody, spool_bytes: 8 });
  expect(await submit()).toMatchObject({ code: 0, logged: expect.stringContaining('is full') });
  expect(readFileSync(join(house.folder, 'spool/submit.ndjson.dropped'), 'utf8')).toBe('.');
  start({ ...nobody, spool: join(house.folder, 'nowhere') });
  expect(await submit()).toMatchObject({ code: 0, logged: expect.stringContaining('not written down') });
});
