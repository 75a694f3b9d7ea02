/** `scontrol update` cannot get a job past its hold, and never leaves it without one. */
import { renderStamp } from '../../domain/slurm-stamp';
import { eventually } from '../helpers/eventually';
import { type Body } from './helpers/api';
import {
  api,
  completed,
  held,
  modify,
  newKey,
  openHolds,
  RAW,
  settle,
  story,
  SUBMITTED,
  submitted,
  tell,
  used,
  waiting,
} from './helpers/slurm-changes';

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

test('another QOS costs nothing, for nothing is priced by it; with more time it is held for as the time says', async () => {
  const job = { ...RAW, qos: 'normal' };
  const key = await submitted(job);
  expect(await modify(key, { qos: 'urgent' }, job)).toMatchObject({ accept: true, code: 'unchanged', hold_amount: 0 });
  expect(await held()).toBe(1.2);
  expect(await modify(key, { qos: 'urgent', time_limit: 120 }, job)).toMatchObject({ accept: true, hold_amount: 2.4 });
  await tell(completed(key, { qos: 'urgent' }));
  expect(await settle()).toMatchObject({ state: 'settled', charged: 0.5 });
  expect(await held()).toBe(0);
});

describe('a component of a heterogeneous job', () => {
  /** As Slurm has them: two jobs, and the first is the leader. */
  const parts = [
    { job_id: 100, het_job_offset: 0 },
    { job_id: 101, het_job_offset: 1 },
  ] as const;
  const jobOf = (offset: number) => ({ ...RAW, het_offset: offset, ...(offset === 1 && { num_tasks: 20 }) });
  const ended = (key: string, part: (typeof parts)[number], more: object = {}) =>
    completed(key, { ...part, het_job_id: 100, ...more });
  const advanceAll = async () => {
    for (const { transaction_id } of await openHolds()) await api.ledger.jobs.advance(transaction_id);
  };

  test('that gets more time is held for by itself, and refused by itself', async () => {
    const keys = [await submitted(jobOf(0)), await submitted(jobOf(1))] as const;
    expect(await held()).toBe(3.6);
    const change = (changes: object, job: object) => modify(keys[1], changes, job, newKey(), 101);
    expect(await change({ time_limit: 120 }, jobOf(1))).toMatchObject({ accept: true, hold_amount: 4.8 });
    const longer = { ...jobOf(1), time_limit: 120 };
    expect(await change({ time_limit: 600 }, longer)).toMatchObject({ accept: false, code: 'insufficient_budget' });
    expect((await openHolds()).map(({ held: each }) => each).sort()).toEqual([1.2, 4.8]);
    await tell(...parts.map((part, place) => ended(keys[place] ?? '', part)));
    await advanceAll();
    expect([await held(), await used('proj-a')]).toEqual([0, 1]);
  });

  test('that moves to another account is paid for there, and the other where it was', async () => {
    const keys = [await submitted(jobOf(0)), await submitted(jobOf(1))] as const;
    const moved = await modify(keys[1], { account: 'proj-b' }, jobOf(1), newKey(), 101);
    expect(moved).toMatchObject({ accept: true, hold_amount: 2.4 });
    expect([await held('proj-a'), await held('proj-b')]).toEqual([1.2, 2.4]);
    await tell(ended(keys[0], parts[0]), ended(keys[1], parts[1], { admin_comment: moved.stamp, account: 'proj-b' }));
    await advanceAll();
    expect([await used('proj-a'), await used('proj-b')]).toEqual([0.5, 0.5]);
    expect([await held('proj-a'), await held('proj-b')]).toEqual([0, 0]);
    expect((await api.get('/api/v1/audit')).body).toMatchObject({ ok: true });
  });
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
