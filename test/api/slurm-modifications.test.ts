/** `scontrol update` cannot get a job past its hold, and never leaves it without one. */
import { randomBytes } from 'node:crypto';
import { renderStamp } from '../../domain/slurm-stamp';
import { eventually } from '../helpers/eventually';
import { type Body, startApi, type TestApi } from './helpers/api';

let api: TestApi;
beforeEach(async () => {
  api = await startApi();
  await api.account('proj-a', 10);
  await api.account('proj-b', 10);
});
afterEach(() => api.stop());

const newKey = () => randomBytes(16).toString('hex');
const SUBMITTED = Math.floor(Date.now() / 1000) - 60;
/** 1.00 an hour, held as 1.20. */
const RAW = {
  user: 'alice',
  account: 'proj-a',
  partition: 'cpu',
  time_limit: 60,
  num_tasks: 10,
  submit_time: SUBMITTED,
};

async function submitted(job: object = RAW): Promise<string> {
  const key = newKey();
  const { body } = await api.post('/api/v1/slurm/submissions', { key, job });
  expect(body).toMatchObject({ accept: true });
  return key;
}

async function modify(key: string | undefined, changes: object, job: object = RAW, new_key = newKey()): Promise<Body> {
  const stamp = key === undefined ? null : renderStamp(key);
  const { status, body } = await api.post('/api/v1/slurm/modifications', { job_id: 100, stamp, new_key, job, changes });
  expect({ status, body }).toMatchObject({ status: 200 });
  return body;
}

const completed = (key: string, more: object = {}) => ({
  source: 'jobcomp',
  job_id: 100,
  job_state: 3,
  submit_time: SUBMITTED,
  start_time: SUBMITTED + 3600,
  end_time: SUBMITTED + 5400,
  tres_fmt_alloc_str: 'cpu=10,mem=5000M,node=1',
  admin_comment: renderStamp(key),
  account: 'proj-a',
  partition: 'cpu',
  nodes: 'c1',
  ...more,
});
const tell = async (...records: object[]): Promise<Body> => (await api.post('/api/v1/slurm/events', { records })).body;
const story = async (): Promise<Body> => (await api.get('/api/v1/jobs/default/100')).body;
const settle = async (): Promise<Body> => {
  await api.ledger.jobs.advance((await story()).transaction_id);
  return story();
};
const held = async (name = 'proj-a'): Promise<number> => (await api.get(`/api/v1/accounts/${name}`)).body.budget_held;
const used = async (name: string): Promise<number> => (await api.get(`/api/v1/accounts/${name}`)).body.budget_used;
const openHolds = async (): Promise<Body[]> => (await api.get('/api/v1/holds?status=open')).body;

test('what costs nothing goes by, and is not even looked up', async () => {
  const key = await submitted();
  expect(await modify(key, { priority: 0, comment: 'later', time_limit: 4_294_967_294 })).toMatchObject({
    accept: true,
    code: 'unchanged',
    hold_amount: 0,
  });
  expect(await held()).toBe(1.2);
});

test('more time is held for, or refused, and less gives nothing back before the end', async () => {
  const key = await submitted();
  expect(await modify(key, { time_limit: 120 })).toMatchObject({ accept: true, hold_amount: 2.4, unit: 'USD' });
  expect(await held()).toBe(2.4);
  const long = { ...RAW, time_limit: 120 };
  const refused = await modify(key, { time_limit: 60_000 }, long);
  expect(refused).toMatchObject({ accept: false, would_deny: true, code: 'insufficient_budget' });
  expect(refused.message).toMatch(/^Insufficient budget: /);
  expect(await held()).toBe(2.4);
  expect(await modify(key, { time_limit: 30 }, long)).toMatchObject({ accept: true, hold_amount: 2.4 });
  expect(await settle()).toMatchObject({ state: 'pending', held: 2.4 });
  await tell(completed(key));
  expect(await settle()).toMatchObject({ state: 'settled', charged: 0.5 });
  expect(await held()).toBe(0);
});

test('more and fewer nodes are priced anew', async () => {
  const job = { ...RAW, num_tasks: undefined, min_nodes: 2, max_nodes: 2, cpus_per_task: 5 };
  const key = await submitted(job);
  expect(await modify(key, { min_nodes: 4 }, job)).toMatchObject({ hold_amount: 2.4 });
  expect(await modify(key, { min_nodes: 1 }, { ...job, min_nodes: 4, max_nodes: 4 })).toMatchObject({
    hold_amount: 2.4,
  });
  expect(await held()).toBe(2.4);
});

test('the same update asked for twice is one', async () => {
  const [key, again] = [await submitted(), newKey()];
  const first = await modify(key, { time_limit: 120 }, RAW, again);
  expect(await modify(key, { time_limit: 120 }, RAW, again)).toEqual(first);
  const moved = newKey();
  const other = await modify(key, { account: 'proj-b' }, RAW, moved);
  expect(await modify(key, { account: 'proj-b' }, RAW, moved)).toEqual(other);
  expect(await openHolds()).toHaveLength(1);
});

test('another partition or account is another hold, bound at once, and the money of the first is not in its way', async () => {
  const key = await submitted({ ...RAW, time_limit: 480 }); // 9.60 of 10.
  const job = { ...RAW, time_limit: 480 };
  const newer = newKey();
  const debug = await modify(key, { partition: 'debug' }, job, newer);
  expect(debug).toMatchObject({ accept: true, code: 'placed', hold_amount: 4.8, stamp: renderStamp(newer) });
  expect(await openHolds()).toMatchObject([{ partition: 'debug', job_id: '100', held: 4.8 }]);

  const third = newKey();
  const moved = await modify(newer, { account: 'proj-b' }, { ...job, partition: 'debug' }, third);
  expect(moved).toMatchObject({ accept: true, stamp: renderStamp(third) });
  expect([await held('proj-a'), await held('proj-b')]).toEqual([0, 4.8]);
  await tell(completed(third, { account: 'proj-b', partition: 'debug' }));
  expect(await settle()).toMatchObject({ state: 'settled', account: 'proj-b', charged: 0.25 });
  expect([await used('proj-a'), await used('proj-b')]).toEqual([0, 0.25]);
});

test('a move that is refused leaves the hold, the account and the stamp as they were', async () => {
  const key = await submitted();
  await api.post('/api/v1/accounts/proj-b/withdrawals', { amount: 9.5 });
  const refused = await modify(key, { account: 'proj-b' });
  expect(refused).toMatchObject({ accept: false, code: 'insufficient_budget' });
  expect(refused).not.toHaveProperty('stamp');
  expect(await modify(key, { account: 'nobody' })).toMatchObject({ accept: false, code: 'account_not_found' });
  expect(await openHolds()).toMatchObject([{ account: 'proj-a', held: 1.2 }]);
  expect((await api.get('/api/v1/audit')).body).toMatchObject({ ok: true });
});

test('a change that was refused is told in the story of the job, and among what was denied', async () => {
  const key = await submitted();
  const { message } = await modify(key, { time_limit: 60_000 });
  await modify(key, { account: 'nobody' });
  await modify(key, { time_limit: 61 });
  expect((await story()).refused_changes).toMatchObject([
    { code: 'insufficient_budget', message, mode: 'enforce' },
    { code: 'account_not_found' },
  ]);
  const { body } = await api.get('/api/v1/slurm/refusals?user_id=alice');
  expect(body).toMatchObject({
    totals: [{ unit: 'USD', denied: 1 }, { denied: 1 }],
    denials: [
      { code: 'account_not_found', account: 'nobody' },
      { code: 'insufficient_budget', job_id: '100', message },
    ],
  });
});

test('what a refused change would have cost is the estimate, as of a submission, and not what would have been held', async () => {
  await modify(await submitted(), { time_limit: 6_000 });
  const { body } = await api.get('/api/v1/slurm/refusals');
  expect(body).toMatchObject({
    totals: [{ unit: 'USD', estimated_cost: 100 }],
    denials: [{ job_id: '100', estimated_cost: 100, hold_amount: 120 }],
  });
});

test('events with the stamp of before are of the hold that took its place', async () => {
  const key = await submitted();
  await modify(key, { account: 'proj-b' });
  await tell(completed(key, { account: 'proj-b' }));
  expect(await settle()).toMatchObject({ state: 'settled', account: 'proj-b', charged: 0.5 });
});

test('a change of account that Slurm refuses after all is not paid for by the other account', async () => {
  const key = await submitted();
  expect(await modify(key, { account: 'proj-b' })).toMatchObject({ accept: true });
  await tell(completed(key)); // It ran as proj-a's, with the stamp that it had.
  expect(await settle()).toMatchObject({ state: 'settled', account: 'proj-a', charged: 0.5 });
  expect([await used('proj-a'), await used('proj-b'), await held('proj-b')]).toEqual([0.5, 0, 0]);
  expect((await api.get('/api/v1/audit')).body).toMatchObject({ ok: true });
});

test.each([
  ['all of it', 0, 1.2],
  ['as much as is left', 9, 1],
])('a move that Slurm refuses after all is held for again: %s', async (_what, withdrawn, left) => {
  const key = await submitted();
  expect(await modify(key, { account: 'proj-b' })).toMatchObject({ accept: true });
  if (withdrawn > 0) await api.post('/api/v1/accounts/proj-a/withdrawals', { amount: withdrawn });
  await tell(completed(key));
  expect(await openHolds()).toMatchObject([{ account: 'proj-a', job_id: '100', held: left }]);
  expect(await held('proj-b')).toBe(0);
  expect(await settle()).toMatchObject({ state: 'settled', account: 'proj-a', charged: 0.5 });
  expect(await held()).toBe(0);
  expect((await api.get('/api/v1/audit')).body).toMatchObject({ ok: true });
});

describe('a move of which nobody said in time that Slurm would refuse it', () => {
  const at = SUBMITTED + 3600;
  const env = { SLURM_JOB_ID: '100', SLURM_RESTART_COUNT: '0', SLURM_JOB_PARTITION: 'cpu' };
  const script = (source: string, account: string, time = at) => ({
    source,
    at: time,
    env: { ...env, SLURM_JOB_ACCOUNT: account },
  });

  test('ends with its start: a prolog says whose it is, and the epilog charges nobody else', async () => {
    const key = await submitted();
    expect(await modify(key, { account: 'proj-b' })).toMatchObject({ accept: true });
    await tell(script('prolog', 'proj-a'));
    expect(await openHolds()).toMatchObject([{ account: 'proj-a', held: 1.2 }]);
    await tell(script('epilog', 'proj-a', at + 1801));
    await settle();
    await tell(completed(key));
    expect(await settle()).toMatchObject({ state: 'settled', account: 'proj-a', charged: 0.5 });
    expect([await used('proj-a'), await used('proj-b')]).toEqual([0.5, 0]);
  });

  test('stays where the prolog names the account that it was moved to', async () => {
    const key = await submitted();
    expect(await modify(key, { account: 'proj-b' })).toMatchObject({ accept: true });
    await tell(script('prolog', 'proj-b'), script('epilog', 'proj-b', at + 1800));
    expect(await settle()).toMatchObject({ state: 'settled', account: 'proj-b', charged: 0.5 });
  });

  test('ends with a look at the queue, but not while Slurm may still make it', async () => {
    const key = await submitted();
    expect(await modify(key, { account: 'proj-b' })).toMatchObject({ accept: true });
    const listed = (account: string) =>
      `100|100|N/A|PENDING|${SUBMITTED}|N/A|N/A|0:00|1:00:00|${account}|alice|cpu||cpu=10,mem=5000M,node=1|${renderStamp(key)}\n`;
    const look = async (account: string, seconds: number) => {
      const taken_at = Math.floor(Date.now() / 1000) + seconds;
      const { status, body } = await api.post('/api/v1/slurm/queue', {
        taken_at,
        sent_at: taken_at,
        squeue: listed(account),
      });
      expect({ status, body }).toMatchObject({ status: 200, body: { jobs: 1, unreadable: 0 } });
    };
    await look('proj-a', 2);
    await look('proj-b', 20);
    expect(await openHolds()).toMatchObject([{ account: 'proj-b', held: 1.2 }]);
    await look('proj-a', 20);
    expect(await openHolds()).toMatchObject([{ account: 'proj-a', held: 1.2, late: true }]);
    expect(await settle()).toMatchObject({ state: 'pending', account: 'proj-a', held: 1.2 });
  });

  test('of several refused moves the account of before them all pays', async () => {
    await api.account('proj-c', 10);
    const key = await submitted();
    expect(await modify(key, { account: 'proj-b' })).toMatchObject({ accept: true });
    expect(await modify(key, { account: 'proj-c' })).toMatchObject({ accept: true });
    await tell(completed(key));
    expect(await settle()).toMatchObject({ state: 'settled', account: 'proj-a', charged: 0.5 });
    expect([await held('proj-b'), await held('proj-c'), await used('proj-c')]).toEqual([0, 0, 0]);
  });

  test('does not lose the account where the job starts in a partition that it had before, too', async () => {
    const key = await submitted();
    await api.put('/api/v1/clusters/default/partitions/big', { weight: 4 });
    expect(await modify(key, { account: 'proj-b', partition: 'big,cpu' })).toMatchObject({ accept: true });
    expect(await openHolds()).toMatchObject([{ account: 'proj-b', partition: 'big' }]);
    await tell(completed(key, { account: 'proj-b' }));
    expect(await settle()).toMatchObject({ state: 'settled', account: 'proj-b', charged: 0.5 });
  });

  test('is not charged by a story that looked before the job was given back', async () => {
    const key = await submitted();
    expect(await modify(key, { account: 'proj-b' })).toMatchObject({ accept: true });
    const { transaction_id: wrong } = await story();
    const said = (type: string, time: number) => ({ job_id: '100', type, at: new Date(time * 1000).toISOString() });
    await api.post('/api/v1/jobs/events', { events: [said('started', at), said('ended', at + 1800)] });
    const done: Promise<unknown>[] = [];
    await api.sql.begin(async (tx) => {
      await tx`
        select from ledger.account_totals join ledger.accounts using (account_no) where name = 'proj-b' for update of account_totals`;
      done.push(tell(completed(key)));
      await eventually('the record to wait', async () => (await waiting()) === 1);
      done.push(api.ledger.jobs.advance(wrong));
      await eventually('the story to wait', async () => (await waiting()) === 2);
    });
    await Promise.all(done);
    expect(await settle()).toMatchObject({ state: 'settled', account: 'proj-a', charged: 0.5 });
    expect([await used('proj-a'), await used('proj-b'), await held('proj-b')]).toEqual([0.5, 0, 0]);
    expect((await api.get('/api/v1/audit')).body).toMatchObject({ ok: true });
  });
});

test.each([
  ['a cheaper partition', {}],
  ['an exempt one', { exempt: true }],
])('a move to %s that Slurm refuses after all does not make the job cheaper', async (_what, settings) => {
  await api.put('/api/v1/clusters/default/partitions/debug', settings);
  const key = await submitted();
  expect(await modify(key, { partition: 'debug' })).toMatchObject({ accept: true });
  await tell(completed(key));
  expect(await settle()).toMatchObject({ state: 'settled', partition: 'cpu', charged: 0.5 });
  expect((await api.get('/api/v1/audit')).body).toMatchObject({ ok: true });
});

test.each([
  ['another account', { account: 'proj-b', time_limit: 240 }, 4.8],
  ['another partition', { partition: 'debug', time_limit: 240 }, 2.4],
])('a longer limit from before a move to %s does not make the new hold smaller', async (_what, changes, left) => {
  const key = await submitted();
  expect(await modify(key, { time_limit: 120 })).toMatchObject({ hold_amount: 2.4 });
  await settle();
  const longer = { ...RAW, time_limit: 120 };
  expect(await modify(key, changes, longer)).toMatchObject({ accept: true, hold_amount: left });
  expect(await settle()).toMatchObject({ state: 'pending', held: left });
  const started_at = SUBMITTED + 30;
  await tell({ source: 'prolog', at: started_at, env: { SLURM_JOB_ID: '100', SLURM_RESTART_COUNT: '0' } });
  const { deadline } = await settle();
  expect(Date.parse(deadline) / 1000).toBeGreaterThanOrEqual(started_at + 240 * 60);
  expect(await openHolds()).toMatchObject([{ held: left }]);
});

describe('of a job that Slurm names by the number of its user', () => {
  const { user: _, ...nameless } = { ...RAW, user_id: 1001 };

  test("a change counts in its user's limit, and is refused by it", async () => {
    await api.put('/api/v1/accounts/proj-b/user-limits/alice', { limit: 2 });
    const key = await submitted();
    expect(await modify(key, { account: 'proj-b', time_limit: 120 }, nameless)).toMatchObject({
      accept: false,
      code: 'user_limit_exceeded',
    });
    expect(await modify(key, { account: 'proj-b' }, nameless)).toMatchObject({ accept: true });
    expect(await openHolds()).toMatchObject([{ account: 'proj-b', user_id: 'alice' }]);
    await tell(completed(key, { account: 'proj-b' }));
    await settle();
    const { body } = await api.get('/api/v1/accounts/proj-b/user-limits');
    expect(body).toMatchObject([{ user: 'alice', used: 0.5, held: 0 }]);
  });

  test('nothing is held or charged where its user is exempt', async () => {
    await api.put('/api/v1/clusters/default', { exempt_users: ['root', 'alice'] });
    const key = await submitted();
    expect(await modify(key, { time_limit: 120 }, nameless)).toMatchObject({ accept: true, code: 'exempt_user' });
    expect(await openHolds()).toEqual([]);
    await tell(completed(key));
    expect(await settle()).toMatchObject({ charged: 0, admitted: 'exempt' });
  });
});

describe('a job that does not wait any more', () => {
  const running = { ...RAW, job_state: 1 };

  test.each([
    ['account', { account: 'proj-b' }],
    ['partition', { partition: 'debug' }],
    ['number of CPUs', { min_cpus: 400 }],
  ])('keeps its %s, and no money moves', async (what, changes) => {
    const key = await submitted();
    const refused = await modify(key, changes, running);
    expect(refused).toMatchObject({ accept: false, code: 'job_not_pending', message: expect.stringContaining(what) });
    expect(await openHolds()).toMatchObject([{ account: 'proj-a', partition: 'cpu', held: 1.2 }]);
    await api.put('/api/v1/clusters/default', { enforcement: 'shadow' });
    expect(await modify(key, changes, running)).toMatchObject({ accept: true, would_deny: false });
    expect(await openHolds()).toMatchObject([{ account: 'proj-a', partition: 'cpu', held: 1.2 }]);
  });

  test('is held for when it gets more time, and may be told once more what it has', async () => {
    const key = await submitted();
    expect(await modify(key, { account: 'proj-a', time_limit: 120 }, running)).toMatchObject({ hold_amount: 2.4 });
    expect(await modify(key, { account: 'proj-b' }, { ...RAW, job_state: 0x8000 })).toMatchObject({ accept: true });
  });
});

test('a job without a hold is asked about when it asks for more, and has one from then on', async () => {
  const newer = newKey();
  expect(await modify(undefined, { time_limit: 120 }, RAW, newer)).toMatchObject({
    accept: true,
    stamp: renderStamp(newer),
  });
  expect(await openHolds()).toMatchObject([{ job_id: '100', held: 2.4, key: newer }]);
});

test.each([
  ['held for', { time_limit: 120 }, true, 2.4],
  ['refused', { time_limit: 60_000 }, false, 1.2],
])(
  'a job that a hook let in alone and whose change is %s before that is told has one hold',
  async (_how, changes, accept, left) => {
    const key = newKey();
    expect(await modify(key, changes)).toMatchObject({ accept });
    const alone = { source: 'submit', key, at: SUBMITTED, outcome: 'open', cost: '1.0', job: RAW };
    expect(await tell(alone)).toMatchObject({ recorded: 1 });
    expect(await openHolds()).toMatchObject([{ key, held: left }]);
    await tell(completed(key));
    expect(await settle()).toMatchObject({ state: 'settled', charged: 0.5 });
    expect(await held()).toBe(0);
  },
);

test('a job that moves to an exempt partition gives its money back and costs nothing', async () => {
  const key = await submitted();
  await api.put('/api/v1/clusters/default/partitions/free', { exempt: true });
  const newer = newKey();
  expect(await modify(key, { partition: 'free' }, RAW, newer)).toMatchObject({
    accept: true,
    code: 'exempt_partition',
  });
  expect(await held()).toBe(0);
  await tell(completed(newer, { partition: 'free' }));
  expect(await settle()).toMatchObject({ state: 'settled', charged: 0, admitted: 'exempt' });
});

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

/** How many wait for a lock. */
async function waiting(): Promise<number> {
  const [row] = await api.sql<{ n: number }[]>`
    select count(*)::int as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
  return row?.n ?? 0;
}

describe('two changes of a job at once', () => {
  /** One after the other they come to wait for the money's lock, so that each has read the job as it was before them all. */
  async function atOnce(...calls: (() => Promise<Body>)[]): Promise<Body[]> {
    const asked: Promise<Body>[] = [];
    await api.sql.begin(async (tx) => {
      await tx`select from ledger.account_totals for update`;
      for (const call of calls) {
        asked.push(call());
        await eventually('all to wait', async () => (await waiting()) === asked.length);
      }
    });
    return Promise.all(asked);
  }

  test.each([
    ['another account', { account: 'proj-b' }],
    ['another account and an exempt partition', { account: 'proj-b', partition: 'free' }],
  ])('to %s leave one hold', async (_what, changes) => {
    await api.put('/api/v1/clusters/default/partitions/free', { exempt: true });
    const key = await submitted();
    const answers = await atOnce(
      () => modify(key, { account: 'proj-b' }),
      () => modify(key, changes),
    );
    expect(answers).toMatchObject([{ accept: true }, { accept: true }]);
    expect(await openHolds()).toHaveLength(1);
    expect((await api.get('/api/v1/audit')).body).toMatchObject({ ok: true });
  });

  test('of two tasks of one array hold for both', async () => {
    const key = await submitted({ ...RAW, array: '1-3' });
    const longer = (task: number) => () =>
      modify(key, { time_limit: 120 }, { ...RAW, array_job_id: 100, array_task_id: task });
    expect(await atOnce(longer(1), longer(2))).toMatchObject([{ hold_amount: 4.8 }, { hold_amount: 6 }]);
    expect(await held()).toBe(6);
  });

  test('and the end of it leave no hold', async () => {
    const key = await submitted();
    await tell(completed(key));
    const [, answer] = await atOnce(settle, () => modify(key, { account: 'proj-b' }));
    expect(answer).toMatchObject({ accept: true, code: 'unchanged' });
    expect(await openHolds()).toEqual([]);
    expect([await held('proj-a'), await used('proj-a')]).toEqual([0, 0.5]);
  });
});

test('a report of several changes that were never made takes the locks of all their accounts in one order', async () => {
  await api.account('proj-c', 10);
  const inOrder = await api.sql<{ id: number }[]>`
    select id from generate_series(100, 101) id, ledger.clusters c
    where c.name = 'default' order by hashtextextended(c.cluster_no::text || '/' || id, 0)`;
  const moves = [
    ['proj-b', 'proj-c'],
    ['proj-a', 'proj-b'],
  ] as const;
  const records: object[] = [];
  for (const [at, [account, other]] of moves.entries()) {
    const job_id = inOrder[at]?.id;
    const job = { ...RAW, account };
    const key = await submitted(job);
    const asked = { job_id, stamp: renderStamp(key), new_key: newKey(), job, changes: { account: other } };
    expect((await api.post('/api/v1/slurm/modifications', asked)).body).toMatchObject({ accept: true });
    records.push(completed(key, { job_id, account }));
  }
  let told: Promise<Body> | undefined;
  await api.sql.begin(async (tx) => {
    const lock = (name: string) => tx`
      select from ledger.account_totals join ledger.accounts using (account_no) where name = ${name} for update of account_totals nowait`;
    await lock('proj-a');
    told = tell(...records);
    await eventually('the report to wait', async () => (await waiting()) === 1);
    await lock('proj-c'); // It waits for the first with nothing in its hands.
  });
  expect(await told).toMatchObject({ recorded: 2 });
  expect(await openHolds()).toHaveLength(2);
});

describe('a crash between two steps', () => {
  /** From here on what calls the function fails, as if the process had died there; what was committed before stays. */
  const dieAt = (name: string) => api.sql.unsafe(`alter function ledger.${name} rename to ${name}_away`);
  const comeBack = (name: string) => api.sql.unsafe(`alter function ledger.${name}_away rename to ${name}`);
  const ask = (key: string | undefined, changes: object, new_key: string) =>
    api.post('/api/v1/slurm/modifications', {
      job_id: 100,
      stamp: key === undefined ? null : renderStamp(key),
      new_key,
      job: RAW,
      changes,
    });

  test.each([
    ['after the hold has grown', { time_limit: 120 }, 'record_events', 2.4],
    ['within the exchange of two holds', { account: 'proj-b' }, 'bind_job', 1.2],
    ['at the end of that exchange', { account: 'proj-b' }, 'ring_stories', 1.2],
  ])('%s leaves the job with one hold, and the same update completes it', async (_when, changes, name, left) => {
    const [key, newer] = [await submitted(), newKey()];
    await dieAt(name);
    expect((await ask(key, changes, newer)).status).toBeGreaterThanOrEqual(500);
    expect(await openHolds()).toMatchObject([{ account: 'proj-a', held: left }]);
    await comeBack(name);
    expect((await ask(key, changes, newer)).body).toMatchObject({ accept: true });
    expect(await openHolds()).toHaveLength(1);
    expect(await story()).toMatchObject({ state: 'pending' });
    expect((await api.get('/api/v1/audit')).body).toMatchObject({ ok: true });
  });

  test('after a job without a hold got one leaves it to be found by its id', async () => {
    await dieAt('record_events');
    expect((await ask(undefined, { time_limit: 120 }, newKey())).status).toBeGreaterThanOrEqual(500);
    await comeBack('record_events');
    const [hold] = await openHolds();
    await tell(completed(newKey(), { admin_comment: '' }));
    expect(await settle()).toMatchObject({ state: 'settled', transaction_id: hold.transaction_id, charged: 0.5 });
  });
});

describe('a change that a hook decided alone while the service was away', () => {
  const alone = (key: string, changes: object, more: object = {}) => ({
    source: 'modify',
    key: newKey(),
    at: Math.floor(Date.now() / 1000),
    outcome: 'open_to_limit',
    cost: '2.0',
    why: 'policy; timeout',
    job_id: 100,
    stamp: `ticket 7 ${renderStamp(key)}`,
    job: RAW,
    changes,
    ...more,
  });

  test('is held for late, once, and stays visible as what it was', async () => {
    const key = await submitted();
    const longer = alone(key, { time_limit: 120 });
    expect(await tell(longer)).toMatchObject({ recorded: 1, receipts: [{ job_id: '100' }] });
    expect(await held()).toBe(2.4);
    const shorter = alone(key, { time_limit: 30 }, { outcome: 'open', job: { ...RAW, time_limit: 120 } });
    expect(await tell(longer, shorter)).toMatchObject({ duplicates: 1, recorded: 1 });
    expect((await story()).lone_changes).toMatchObject([
      { outcome: 'open_to_limit', message: expect.stringMatching(/let the change in.*timeout/), cost: 2 },
      { outcome: 'open' },
    ]);
    const moved = alone(key, { account: 'proj-b' }, { outcome: 'open' });
    expect(await tell(moved)).toMatchObject({ recorded: 1 });
    expect(await tell(moved)).toMatchObject({ duplicates: 1 });
    expect(await openHolds()).toMatchObject([{ account: 'proj-b', held: 1.2, job_id: '100' }]);
    await tell(completed(key, { account: 'proj-b' }));
    expect(await settle()).toMatchObject({ state: 'settled', account: 'proj-b', charged: 0.5 });
  });

  test('and that the money does not reach for leaves the hold, and is among the refusals', async () => {
    const key = await submitted();
    const { receipts } = await tell(alone(key, { time_limit: 60_000 }));
    expect(receipts).toMatchObject([{ status: 'recorded', detail: expect.stringMatching(/Insufficient budget/) }]);
    expect(await held()).toBe(1.2);
    const { denials } = (await api.get('/api/v1/slurm/refusals')).body;
    expect(denials).toMatchObject([{ code: 'insufficient_budget', job_id: '100' }]);
    await tell(completed(key));
    const { lone_changes, refused_changes } = await story();
    expect([lone_changes, refused_changes]).toMatchObject([
      [{ outcome: 'open_to_limit' }],
      [{ code: 'insufficient_budget' }],
    ]);
  });

  test('and refused moves nothing, and is told as a refusal', async () => {
    const key = await submitted();
    await tell(alone(key, { time_limit: 120 }, { outcome: 'closed' }));
    expect(await held()).toBe(1.2);
    const refusal = { code: 'service_unavailable', message: expect.stringMatching(/refused the change.*timeout/) };
    expect((await api.get('/api/v1/slurm/refusals')).body.denials).toMatchObject([
      { ...refusal, job_id: '100', user_id: 'alice' },
    ]);
    await tell(completed(key));
    expect(await story()).toMatchObject({ refused_changes: [refusal], lone_changes: [] });
  });

  test('and that is heard of when the job is over holds no money any more', async () => {
    const key = await submitted();
    await tell(completed(key));
    await settle();
    expect(await tell(alone(key, { time_limit: 120 }))).toMatchObject({
      receipts: [{ detail: expect.stringMatching(/over/) }],
    });
    expect(await openHolds()).toEqual([]);
    expect(await story()).toMatchObject({ charged: 0.5, lone_changes: [{ outcome: 'open_to_limit' }] });
  });

  test.each([
    ['the account', { account: 'proj-b' }, { account: 'proj-a' }],
    ['the account, by hooks that do not say when', { account: 'proj-b' }, { account: 'proj-a' }, undefined],
    ['the time', { time_limit: 120 }, { time_limit: 180 }],
  ])(
    'and that is told after a later change of %s was made changes nothing any more',
    async (_what, first, then, ...at) => {
      const key = await submitted();
      const now = Math.floor(Date.now() / 1000);
      const lone = alone(key, first, { at: now - 20, outcome: 'open' });
      const later = {
        job_id: 100,
        stamp: renderStamp(key),
        new_key: newKey(),
        // What the hook let in alone is what Slurm has made of the job.
        job: { ...RAW, ...first },
        changes: then,
        at: at.length > 0 ? undefined : now - 10,
      };
      expect((await api.post('/api/v1/slurm/modifications', later)).body).toMatchObject({ accept: true });
      const before = await openHolds();
      expect(await tell(lone)).toMatchObject({ receipts: [{ detail: expect.stringMatching(/changed again since/) }] });
      expect(await openHolds()).toEqual(before);
      expect(before).toMatchObject([{ account: 'proj-a' }]);
      await tell(completed(key));
      // It stays visible, and does not say how long the job may take.
      expect(await story()).toMatchObject({ lone_changes: [{ outcome: 'open' }] });
      const resized = (await story()).events.filter(({ type }: Body) => type === 'resized');
      expect(resized.map((event: Body) => event.time_limit_seconds)).toEqual('time_limit' in then ? [180 * 60] : []);
      expect(await settle()).toMatchObject({ state: 'settled', account: 'proj-a', charged: 0.5 });
    },
  );

  test('and that is told after a later one was refused is held for as ever', async () => {
    const key = await submitted();
    const lone = alone(key, { time_limit: 120 }, { at: Math.floor(Date.now() / 1000) - 20 });
    expect(await modify(key, { time_limit: 60_000 }, { ...RAW, time_limit: 120 })).toMatchObject({ accept: false });
    await tell(lone);
    expect(await held()).toBe(2.4);
  });

  test('although it had been answered: what that answer moved stays as it is', async () => {
    const [key, again] = [await submitted(), newKey()];
    await modify(key, { account: 'proj-b' }, RAW, again);
    await api.ledger.slurm.record(undefined, [alone(key, { account: 'proj-b' }, { key: again })], {
      principal: 'relay',
    });
    expect(await openHolds()).toMatchObject([{ account: 'proj-b', held: 1.2 }]);
  });
});
