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
  house.service.asked.map(({ body }) => body);

test('in a burst of equal jobs the next ones are held beforehand, twice as many each time, and stamped without a question', async () => {
  start();
  house.service.answer = givesAll;
  const keys = await submitMany(100);
  expect(asked().map(({ spares }) => spares?.keys.length ?? 0)).toEqual([0, 0, 0, 0, 4, 8, 16, 32, 32]);
  expect(new Set(keys).size).toBe(100);
  const held = new Set(asked().flatMap(({ key, spares }) => [key, ...(spares?.keys ?? [])]));
  expect(keys.filter((key) => !held.has(key))).toEqual([]);
});

test('a job that asks for anything else, or is of somebody else, is asked about', async () => {
  start();
  house.service.answer = givesAll;
  await submitMany(5);
  const before = asked().length;
  for (const other of [{ time_limit: 61 }, { user_name: 'mlee' }, { script: '#!/bin/sh\n' }, { account: 'other' }]) {
    await submit(other);
  }
  expect(asked()).toHaveLength(before + 4);
  await submit();
  expect(asked()).toHaveLength(before + 4);
});

test('a component of a heterogeneous job is asked about, for it may have to give its hold back', async () => {
  start();
  house.service.answer = givesAll;
  await submitMany(6, { het_job_offset: 0 });
  expect(asked().map(({ spares }) => spares)).toEqual(Array.from({ length: 6 }, () => undefined));
});

test('what was held more than two seconds ago is not used any more, and the burst begins anew', async () => {
  start();
  house.service.answer = givesAll;
  await submitMany(5);
  await submitMany(1, {}, NOW + 2);
  expect(asked().map(({ spares }) => spares?.keys.length ?? 0)).toEqual([0, 0, 0, 0, 4]);
  await submitMany(6, {}, NOW + 4.1);
  expect(asked().map(({ spares }) => spares?.keys.length ?? 0)).toEqual([0, 0, 0, 0, 4, 0, 0, 0, 0, 4]);
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
