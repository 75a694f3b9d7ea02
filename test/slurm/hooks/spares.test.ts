/** Holds that are placed beforehand: which jobs job_submit.lua stamps with them without asking. */
import { respond, type Asked } from './helpers/hook';
import { openSubmitHouse, REFUSED, YES } from './helpers/hook-house';

const house = openSubmitHouse();
const { startHook: start } = house;

/** By the hook's clock all of a burst is at once: the machine may need longer than a spare is good for. */
const NOW = 1_767_000_000;
const submit = (job: object = {}, now = NOW) => house.submit(job, { now });

/** Holds every spare that is asked for. */
const givesAll = ({ body }: Asked, response: Parameters<typeof respond>[0]) =>
  respond(response, 200, { ...YES, spares: body.spares?.keys });

const submitMany = async (count: number, job: object = {}, now = NOW) => {
  const keys: string[] = [];
  for (let n = 0; n < count; n++) keys.push((await submit(job, now)).comment?.slice('bursar:'.length) ?? '');
  return keys;
};
const asked = (): { key: string; spares?: { keys: string[]; seconds: number } }[] =>
  house.service.asked.filter(({ path }) => path.endsWith('/submissions')).map(({ body }) => body);
const sparesAsked = (): number[] => asked().map(({ spares }) => spares?.keys.length ?? 0);
const withdrawn = (): string[] =>
  house.service.asked.filter(({ path }) => path.endsWith('/withdrawals')).flatMap(({ body }) => body.keys);

test('in a burst of equal jobs the next ones are held beforehand, twice as many each time, and stamped without a question', async () => {
  start();
  house.service.answer = givesAll;
  const keys = await submitMany(100);
  expect(sparesAsked()).toEqual([0, 0, 0, 0, 4, 8, 16, 32, 32]);
  expect(new Set(keys).size).toBe(100);
  const held = new Set(asked().flatMap(({ key, spares }) => [key, ...(spares?.keys ?? [])]));
  expect(keys.filter((key) => !held.has(key))).toEqual([]);
});

test('equal jobs that come one after the other, and not five within two seconds, are no burst', async () => {
  start();
  house.service.answer = givesAll;
  for (let n = 0; n < 12; n++) await submit({}, NOW + 0.6 * n);
  expect(sparesAsked()).toEqual(Array.from({ length: 12 }, () => 0));
});

test('a burst is asked no more spares for than it has come to use in two seconds', async () => {
  start();
  house.service.answer = givesAll;
  for (let n = 0; n < 40; n++) await submit({}, NOW + 0.4 * n);
  expect(Math.max(...sparesAsked())).toBeLessThanOrEqual(5);
  expect(withdrawn()).toEqual([]);
});

test('a job that asks for anything else, or is of somebody else, is asked about, and what is left of the spares goes back first', async () => {
  start();
  house.service.answer = givesAll;
  await submitMany(6);
  const left = asked()[4]?.spares?.keys.slice(0, 3);
  await submit({ time_limit: 61 });
  expect(house.service.asked.slice(5).map(({ path }) => path)).toEqual(
    ['withdrawals', 'submissions'].map((name) => `/api/v1/slurm/${name}`),
  );
  expect(withdrawn()).toEqual(left);
  for (const other of [{ user_name: 'mlee' }, { script: '#!/bin/sh\n' }, { account: 'other' }, {}]) await submit(other);
  expect(asked()).toHaveLength(10);
  expect(withdrawn()).toEqual(left);
});

test('spares whose answer was lost are given back as soon as the service answers again', async () => {
  const patient = { breaker: { failures: 9, seconds: 60 } };
  start(patient);
  await submitMany(4);
  house.service.answer = () => undefined;
  house.change({ ...patient, deadline_ms: 2_000 });
  await submit();
  const lost = asked()[4]?.spares?.keys;
  expect(lost).toHaveLength(4);
  await submit({ time_limit: 61 }); // A quarter of its deadline is gone in vain.
  house.service.answer = YES;
  house.change(patient);
  house.service.asked = [];
  await submit({ time_limit: 62 });
  await submit({ time_limit: 63 });
  expect(withdrawn()).toEqual(lost);
});

test('a change of a job is asked about when nothing is held beforehand any more', async () => {
  start();
  house.service.answer = givesAll;
  await submitMany(5);
  house.service.answer = YES;
  const record = { job_id: 7, user_id: 1000, account: 'lab', partition: 'gpu', time_limit: 60 };
  await house.call({ call: 'modify', job: { time_limit: 90 }, record, now: NOW });
  expect(house.service.asked.slice(5).map(({ path }) => path)).toEqual(
    ['withdrawals', 'modifications'].map((name) => `/api/v1/slurm/${name}`),
  );
});

test('a component of a heterogeneous job is asked about, for it may have to give its hold back', async () => {
  start();
  house.service.answer = givesAll;
  await submitMany(6, { het_job_offset: 0 });
  expect(sparesAsked()).toEqual([0, 0, 0, 0, 0, 0]);
});

test('what was held more than two seconds ago is not used any more, and the burst begins anew', async () => {
  start();
  house.service.answer = givesAll;
  await submitMany(5);
  await submitMany(1, {}, NOW + 2);
  expect(sparesAsked()).toEqual([0, 0, 0, 0, 4]);
  await submitMany(6, {}, NOW + 4.1);
  expect(sparesAsked()).toEqual([0, 0, 0, 0, 4, 0, 0, 0, 0, 4]);
  expect(withdrawn()).toHaveLength(3);
});

test('only what the service says it holds is used, and where it holds none it is not asked for any for a while', async () => {
  start();
  house.service.answer = ({ body }: Asked, response: Parameters<typeof respond>[0]) =>
    respond(response, 200, { ...YES, spares: body.spares && [body.spares.keys[2], 'not-one-of-ours'] });
  const keys = await submitMany(6);
  expect(keys[5]).toBe(asked()[4]?.spares?.keys[2]);
  house.service.answer = YES;
  await submitMany(6);
  expect(
    asked()
      .slice(5)
      .map(({ spares }) => spares?.keys.length ?? 0),
  ).toEqual([8, 0, 0, 0, 0, 0]);
});

test('a no in a burst is a no', async () => {
  start();
  await submitMany(4);
  house.service.answer = { accept: false, message: 'Insufficient budget' };
  expect(await submit()).toMatchObject({ code: REFUSED, told: 'Insufficient budget' });
});

test.each([
  [0, 0],
  [-3, 0],
  [2.5, 2],
  [1_000, 32],
  ['many', 32],
])('a site that sets spares to %j is given %i at once at most', async (spares, most) => {
  start({ spares });
  house.service.answer = givesAll;
  await submitMany(80);
  expect(Math.max(...asked().map((question) => question.spares?.keys.length ?? 0))).toBe(most);
});
