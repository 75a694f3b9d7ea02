/** One task of an array is changed: the others keep their hold and their account. */
import { renderStamp } from '../../domain/slurm-stamp';
import { type Body } from './helpers/api';
import {
  api,
  completed,
  held,
  modify,
  newKey,
  openHolds,
  RAW,
  SUBMITTED,
  submitted,
  tell,
  used,
} from './helpers/slurm-changes';

test('one task of an array changes the hold by what it costs more', async () => {
  const array = { ...RAW, array: '1-3' };
  const key = await submitted(array);
  const task = { ...RAW, array_job_id: 100, array_task_id: 2 };
  expect(await modify(key, { time_limit: 120 }, task)).toMatchObject({ accept: true, hold_amount: 4.8 });
  expect(await held()).toBe(4.8);
});

describe('one task of an array', () => {
  /** As 22.05 knows them: of an array how many tasks wait, of a task its number. */
  const ARRAY = { ...RAW, array_job_id: 100, array_task_id: 4_294_967_294, array_task_cnt: 4 };
  const task = (n: number) => ({ ...RAW, array_job_id: 100, array_task_id: n });
  const ofTask = (n: number, key: string, more: object = {}) =>
    completed(key, { job_id: 100 + n, array_job_id: 100, array_task_id: n, ...more });
  const one = async (id: string): Promise<Body> => (await api.get(`/api/v1/jobs/default/${id}`)).body;
  const settleAll = async () => {
    for (const hold of await openHolds()) await api.ledger.jobs.advance(hold.transaction_id);
  };

  test('that gets another account has a hold of its own, and each account pays for what ran in it', async () => {
    const key = await submitted({ ...RAW, array: '1-4' });
    const newer = newKey();
    const first = await modify(key, { account: 'proj-b' }, task(4), newer);
    expect(first).toMatchObject({ accept: true, hold_amount: 1.2 });
    expect(await modify(key, { account: 'proj-b' }, task(4), newer)).toMatchObject({ accept: true, hold_amount: 1.2 });
    expect([await held('proj-a'), await held('proj-b')]).toEqual([3.6, 1.2]);
    expect(await modify(key, { time_limit: 120 }, { ...task(4), account: 'proj-b' })).toMatchObject({
      hold_amount: 2.4,
    });
    await settleAll();
    expect([await held('proj-a'), await held('proj-b')]).toEqual([3.6, 2.4]);
    expect(await one('100_4')).toMatchObject({ job_id: '100_4', state: 'pending', account: 'proj-b' });

    await tell(...[1, 2, 3].map((n) => ofTask(n, key)), ofTask(4, key, { account: 'proj-b' }));
    await settleAll();
    expect(await one('100_4')).toMatchObject({ state: 'settled', account: 'proj-b', charged: 0.5, held: 0 });
    expect(await one('100')).toMatchObject({ state: 'settled', account: 'proj-a', charged: 1.5, held: 0 });
    expect(await openHolds()).toEqual([]);
    expect((await api.get('/api/v1/audit')).body).toMatchObject({ ok: true });
  });

  test('that gets another partition, and is refused it by Slurm, is held for where it was', async () => {
    const key = await submitted({ ...RAW, array: '1-4' });
    expect(await modify(key, { account: 'proj-b', partition: 'debug' }, task(4))).toMatchObject({ hold_amount: 0.6 });
    await tell(ofTask(4, key));
    expect([await held('proj-a'), await held('proj-b')]).toEqual([4.8, 0]);
    await tell(...[1, 2, 3].map((n) => ofTask(n, key)));
    await settleAll();
    expect([await used('proj-a'), await used('proj-b')]).toEqual([2, 0]);
    expect(await openHolds()).toEqual([]);
    expect((await api.get('/api/v1/audit')).body).toMatchObject({ ok: true });
  });

  test('is still known by the queue as what it is, and the others are not missed for it', async () => {
    const key = await submitted({ ...RAW, array: '1-4' });
    await modify(key, { account: 'proj-b' }, task(4));
    const row = (name: string, id: number, account: string) =>
      `${name}|${id}|N/A|PENDING|${SUBMITTED}|N/A|N/A|0:00|1:00:00|${account}|alice|cpu||cpu=10,mem=5000M,node=1|${renderStamp(key)}\n`;
    const look = async (squeue: string) => {
      const taken_at = Math.floor(Date.now() / 1000) + 20;
      return (await api.post('/api/v1/slurm/queue', { taken_at, sent_at: taken_at, squeue })).body;
    };
    expect(await look(row('100_[1-3]', 100, 'proj-a') + row('100_4', 104, 'proj-b'))).toMatchObject({
      unreadable: 0,
      released: 0,
    });
    await settleAll();
    expect([await held('proj-a'), await held('proj-b')]).toEqual([3.6, 1.2]);
    await look(row('100_[1-3]', 100, 'proj-a') + row('100_4', 104, 'proj-a'));
    expect([await held('proj-a'), await held('proj-b')]).toEqual([4.8, 0]);
  });

  test('of which others have started can be changed, the array as a whole not', async () => {
    const key = await submitted({ ...RAW, array: '1-4' });
    const all = { ...ARRAY, array_task_cnt: 3 };
    await tell({
      source: 'prolog',
      at: SUBMITTED,
      env: { SLURM_JOB_ID: '101', SLURM_ARRAY_JOB_ID: '100', SLURM_ARRAY_TASK_ID: '1' },
    });
    expect(await modify(key, { account: 'proj-b' }, all)).toMatchObject({ accept: false, code: 'array_has_started' });
    expect(await modify(key, { account: 'proj-b' }, task(2))).toMatchObject({ accept: true });
    expect([await held('proj-a'), await held('proj-b')]).toEqual([3.6, 1.2]);
  });

  test('but all of them together, before any has started, are one hold for all', async () => {
    const key = await submitted({ ...RAW, array: '1-4' });
    expect(await modify(key, { account: 'proj-b' }, ARRAY)).toMatchObject({ accept: true, hold_amount: 4.8 });
    expect([await held('proj-a'), await held('proj-b')]).toEqual([0, 4.8]);
  });

  test('stays where it is when the others follow it, or do not', async () => {
    const key = await submitted({ ...RAW, array: '1-4' });
    await modify(key, { account: 'proj-b' }, task(4));
    expect(await modify(key, { partition: 'debug' }, { ...ARRAY, array_task_cnt: 3 })).toMatchObject({ accept: true });
    await settleAll();
    expect([await held('proj-a'), await held('proj-b')]).toEqual([1.8, 1.2]);
    const inDebug = [1, 2, 3].map((n) => ofTask(n, key, { partition: 'debug' }));
    await tell(...inDebug.slice(0, 2));
    await settleAll();
    expect(await held('proj-a')).toBe(0.6);
    await tell(...inDebug.slice(2), ofTask(4, key, { account: 'proj-b' }));
    await settleAll();
    expect([await used('proj-a'), await used('proj-b')]).toEqual([0.75, 0.5]);
    expect(await openHolds()).toEqual([]);
  });
});
