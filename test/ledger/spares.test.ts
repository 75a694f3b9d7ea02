/** Spares: holds that are placed beforehand for jobs that are likely to come, where money is in plenty, and for seconds only. */
import type { CheckRequest } from '../../ledger/contract';
import { openLedger } from '../../ledger';
import { caller, check, openHouse, usd, type House } from './admission-house';

let house: House;
beforeAll(async () => {
  house = await openHouse();
});
afterAll(() => house.drop());
afterEach(() => house.books());

let keyNo = 0;
const newKeys = (count: number) => Array.from({ length: count }, () => `spare-key-${(keyNo += 1)}`);
const ask = (request: CheckRequest, keys: string[], seconds = 2) => {
  const [key = ''] = newKeys(1);
  return house.admission.check(request, caller(key), { keys, seconds });
};

test('a spare is a hold of its own: of the same amount, under its own key, and counted by every limit', async () => {
  await house.account('plenty-top', { funds: [], subtreeLimit: '1000' });
  await house.account('plenty', { funds: ['1000'], parent: 'plenty-top' });
  await house.limit('plenty', { user: '*', limit: '500' });
  const keys = newKeys(3);
  const decision = await ask(check('plenty', 2), keys);
  // Whoever asked is answered as if there were none.
  expect(decision).toMatchObject({ available: true, remaining: usd('998'), spares: keys });
  expect(await house.totals('plenty-top')).toMatchObject({ subtreeHeld: usd('8') });
  expect((await house.holds.list({ account: 'plenty', user: 'rkaur' }, { limit: 10 })).rows).toHaveLength(4);

  const again = await house.admission.check(check('plenty', 2), { principal: 'local', key: keys[0] ?? '' });
  expect(again).toMatchObject({ available: true, replayed: true });
  expect(again.holdId).not.toBe(decision.holdId);
  expect(await house.totals('plenty')).toMatchObject({ held: usd('8') });
});

test.each([
  ['the money of its account', { funds: ['34'] }, undefined],
  ['the limit of its parent', { funds: ['1000'], parent: 'scarce-top' }, undefined],
  ['the cap of its user', { funds: ['1000'] }, { user: 'rkaur', limit: '34' }],
  ['the cap of its partition', { funds: ['1000'] }, { partition: 'cpu', limit: '34' }],
])('a spare needs sixteen times as much as it takes of %s, else there is none of it', async (what, spec, limit) => {
  const name = `scarce-${what.replaceAll(' ', '-')}`;
  if ('parent' in spec) await house.account('scarce-top', { funds: [], subtreeLimit: '34' });
  await house.account(name, spec);
  if (limit) await house.limit(name, limit);
  // 1 + 2 × 16 = 33 of 34; of the 31 that are left then, 1 + 2 × 16 are too many.
  const enough = await ask(check(name, 1), newKeys(2));
  expect(enough.spares).toHaveLength(2);
  const decisions = await house.count('decisions');
  const tooMuch = await ask(check(name, 1), newKeys(2));
  expect(tooMuch).toMatchObject({ available: true, replayed: false });
  expect(tooMuch.spares).toBeUndefined();
  expect(await house.count('decisions')).toBe(decisions + 1);
  expect(await house.totals(name)).toMatchObject({ held: usd('4') });
});

test('beside a no there are no spares, and a key that was used before makes none', async () => {
  await house.account('poor', { funds: ['1'] });
  const no = await ask(check('poor', 2), newKeys(4));
  expect(no).toMatchObject({ available: false, code: 'insufficient_budget' });
  expect(no.spares).toBeUndefined();

  await house.account('rich', { funds: ['1000'] });
  const [key = ''] = newKeys(1);
  await house.admission.check(check('rich', 1), caller(key));
  expect((await ask(check('rich', 1), [key, 'spare-twice', 'spare-twice'])).spares).toEqual(['spare-twice']);
  expect(await house.totals('rich')).toMatchObject({ held: usd('3') });

  // The answer that there was is given again, and nothing is held beside it.
  const again = await house.admission.check(check('rich', 1), caller(key), { keys: newKeys(2), seconds: 2 });
  expect(again).toMatchObject({ available: true, replayed: true });
  expect(again.spares).toBeUndefined();
  expect(await house.totals('rich')).toMatchObject({ held: usd('3') });
});

test('a spare that no job took is given back with the next look after its time; one that a job carries stays', async () => {
  const ledger = openLedger(house.sql, { defaultCluster: 'default' });
  await house.account('looked-at', { funds: ['1000'] });
  const [used = '', unused = ''] = newKeys(2);
  await ask(check('looked-at', 1), [used, unused]);
  const { rows } = await house.holds.list({ account: 'looked-at' }, { limit: 10 });
  expect(rows).toHaveLength(3);
  expect(rows.map(({ key, useBy }) => [key, useBy !== undefined])).toEqual(
    expect.arrayContaining([used, unused].map((key) => [key, true])),
  );
  const job = { jobId: '7', task: '', phase: 'pending' as const, submittedAt: new Date().toISOString(), stamp: used };
  const look = () =>
    ledger.queue.listed(
      { cluster: 'default', jobs: [job], takenAt: new Date().toISOString(), ageSeconds: 0, isWhole: true },
      { principal: 'relay' },
    );
  const open = async () =>
    (await house.holds.list({ account: 'looked-at', status: 'open' }, { limit: 10 })).rows.length;
  await look();
  await look();
  expect(await open()).toBe(3);
  // Its two seconds are over, and ten more in which the job may have been on its way.
  await house.sql`update ledger.holds set use_by = use_by - interval '12 seconds' where use_by is not null`;
  await look();
  expect(await open()).toBe(3); // The accounting has not been heard yet.
  await ledger.queue.heard('default');
  const { deeds } = await look();
  expect(deeds).toContainEqual({
    did: 'given_back',
    holdId: rows.find(({ key }) => key === unused)?.holdId,
    detail: 'Held beforehand for another job like the one before it, and none came',
  });
  expect(await open()).toBe(2);
  await look();
  expect(await open()).toBe(2);
});
