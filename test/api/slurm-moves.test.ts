/** A change of account or partition moves the hold before Slurm has decided: what Slurm has the job under afterwards decides who pays. */
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
