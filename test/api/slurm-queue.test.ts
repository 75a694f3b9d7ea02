/** What a relay beside the controller sends of queue and accounting, as squeue and sacct printed it. */
import { randomBytes } from 'node:crypto';
import { startApi, type Body, type TestApi } from './helpers/api';

let api: TestApi;
beforeEach(async () => {
  api = await startApi();
  await api.account('proj-a', 100);
  await api.put('/api/v1/clusters/default/partitions/cpu', { default_time_seconds: 600, max_time_seconds: 7200 });
  // As if it had been looked at since yesterday.
  await api.sql`
    insert into ledger.scheduler_looks (cluster_no, begun_at) select cluster_no, now() - interval '1 day' from ledger.clusters`;
});
afterEach(() => api.stop());

const NOW = Math.floor(Date.now() / 1000);
const RAW = { user: 'alice', account: 'proj-a', partition: 'cpu', time_limit: 60, num_tasks: 10 };

async function submit(job: object = RAW): Promise<{ key: string; holdId: string }> {
  const key = randomBytes(16).toString('hex');
  const { body } = await api.post('/api/v1/slurm/submissions', { key, job });
  return { key, holdId: body.transaction_id };
}

interface Row {
  id?: string;
  state?: string;
  start?: number;
  end?: number;
  used?: string;
  nodes?: string;
  comment?: string;
}
const squeueRow = ({
  id = '7',
  state = 'RUNNING',
  start = NOW - 600,
  end = NOW,
  used = '10:00',
  nodes = 'c1',
  comment = '(null)',
}: Row) =>
  `${id}|${id}|N/A|${state}|${NOW - 660}|${start}|${end}|${used}|1:00:00|proj-a|alice|cpu|${nodes}|cpu=10,mem=5000M,node=1,billing=10|${comment}\n`;

const SACCT_HEADER =
  'JobID|JobIDRaw|Account|User|UID|Partition|Submit|Start|End|Elapsed|State|ExitCode|NNodes|NCPUS|ReqTRES|AllocTRES|Timelimit|NodeList|AdminComment\n';
const sacctRow = ({ id = '7', state = 'COMPLETED', start = NOW - 600, end = NOW, comment = '' }: Row) =>
  `${id}|${id}|proj-a|alice|1001|cpu|${NOW - 660}|${start}|${end}|00:10:00|${state}|0:0|1|10|cpu=10,node=1|cpu=10,mem=5000M,node=1|01:00:00|c1|${comment}\n`;

const push = async (squeue: string, more: object = {}): Promise<Body> =>
  (await api.post('/api/v1/slurm/queue', { taken_at: NOW, sent_at: NOW, squeue, ...more })).body;
const hear = async (rows: string): Promise<Body> =>
  (await api.post('/api/v1/slurm/history', { sacct: SACCT_HEADER + rows })).body;
/** As if all of it had happened ten minutes earlier. */
const tenMinutesPass = () => api.sql`
  with looks as (update ledger.scheduler_looks set listed_at = listed_at - interval '10 min')
  update ledger.unseen_holds set since = since - interval '10 min'`;

test('a listing binds a job, shows it suspended, and the next one that nothing has changed', async () => {
  const { key, holdId } = await submit();
  const comment = `of the site a|b bursar:${key}`;
  expect(await push(squeueRow({ comment }))).toMatchObject({
    cluster: 'default',
    jobs: 1,
    bound: 1,
    recorded: 2,
    unreadable: 0,
    released: 0,
    deeds: [{ did: 'bound', job_id: '7', transaction_id: holdId }],
  });
  expect(await push(squeueRow({ comment, state: 'SUSPENDED' }))).toMatchObject({ recorded: 1 });
  expect(await push(squeueRow({ comment, state: 'SUSPENDED' }))).toMatchObject({ recorded: 0, deeds: [] });
  expect((await api.get('/api/v1/jobs/default/7')).body).toMatchObject({ state: 'suspended' });
});

test('a hold that no listing has carried for the grace is given back, whatever the clock of the relay says', async () => {
  const { holdId } = await submit();
  const anHourBehind = { taken_at: NOW - 3600, sent_at: NOW - 3600 };
  await push('', anHourBehind);
  await tenMinutesPass();
  await hear('');
  expect(await push('', anHourBehind)).toMatchObject({
    released: 1,
    deeds: [{ did: 'given_back', transaction_id: holdId }],
  });
  expect((await api.get(`/api/v1/holds/${holdId}`)).body).toMatchObject({ status: 'released' });
});

test('a listing that lay about, or has a row that cannot be read, gives nothing back and says why', async () => {
  await submit();
  await push('');
  await tenMinutesPass();
  await hear('');
  expect(await push('', { taken_at: NOW - 3600 })).toMatchObject({
    released: 0,
    keeps: expect.stringContaining('3600 s old'),
  });
  expect(await push('7|7|N/A|NEW_STATE_OF_2031|\n')).toMatchObject({
    released: 0,
    unreadable: 1,
    first_unreadable: expect.stringContaining('line 1: '),
    keeps: expect.stringContaining('could not be read'),
  });
  const [look] = (await api.get('/api/v1/slurm/looks')).body;
  expect(look).toMatchObject({
    cluster: 'default',
    unseen_holds: 1,
    failure: expect.stringContaining('could not be read'),
  });
  expect(await push('')).toMatchObject({ released: 1 });
});

test('what sacct knows to have ended is settled, once; a part of it does not mean that all was heard', async () => {
  const { key, holdId } = await submit();
  const row = sacctRow({ comment: `bursar:${key}` });
  const part = await api.post('/api/v1/slurm/history', { sacct: SACCT_HEADER + row, more: true });
  expect(part.body).toMatchObject({ rows: 1, ended: 1, unreadable: 0 });
  expect((await api.get('/api/v1/slurm/looks')).body[0]).not.toHaveProperty('accounted_at');
  expect(await hear(row)).toMatchObject({ rows: 1, ended: 0, recorded: 0 });
  expect((await api.get('/api/v1/slurm/looks')).body[0]).toHaveProperty('accounted_at');
  await api.ledger.jobs.advance(holdId);
  expect((await api.get(`/api/v1/holds/${holdId}`)).body).toMatchObject({ status: 'settled' });
});

test('a hold is given back by a listing only after the accounting was heard whole, whichever part could not be read', async () => {
  await submit();
  await push('');
  await tenMinutesPass();
  expect(await push('')).toMatchObject({ released: 0 });
  const part = (row: string, more: boolean) =>
    api.post('/api/v1/slurm/history', { sacct: SACCT_HEADER + row, more }).then(({ body }) => body);
  expect(await part('7|7|of another Slurm\n', true)).toMatchObject({ unreadable: 1 });
  expect(await part('', true)).toMatchObject({ unreadable: 0 });
  expect(await part('', false)).toMatchObject({ unreadable: 0 });
  expect(await push('')).toMatchObject({ released: 0 });
  await part('', true);
  await part('', false);
  expect(await push('')).toMatchObject({ released: 1 });
});

test('a job of an exempt user, or of a cluster that is only watched, is not adopted; one that a script forgot is', async () => {
  await api.put('/api/v1/clusters/default', { exempt_users: ['alice'] });
  expect(await push(squeueRow({}))).toMatchObject({ recorded: 0, adopted: 0 });
  await api.put('/api/v1/clusters/default', { exempt_users: [], enforcement: 'shadow' });
  expect(await push(squeueRow({}))).toMatchObject({ recorded: 0, adopted: 0 });
  await api.put('/api/v1/clusters/default', { enforcement: 'enforce' });
  expect(await push(squeueRow({}))).toMatchObject({ adopted: 1, deeds: [{ did: 'adopted', job_id: '7' }] });
  expect((await api.get('/api/v1/holds?late=true')).body).toMatchObject([{ account: 'proj-a', late: true }]);
});

test('the policy says how to ask, and what is asked so is understood', async () => {
  const { squeue, sacct } = (await api.get('/api/v1/slurm/policy')).body;
  expect(squeue).toMatchObject({
    arguments: expect.arrayContaining([`--Format=${squeue.format}`, '--noheader']),
    environment: { SLURM_TIME_FORMAT: '%s' },
  });
  expect(`${sacct.columns.join('|')}\n`).toBe(SACCT_HEADER);
  expect(squeue.format.split(',')).toHaveLength(squeueRow({}).split('|').length);
});

test('without a worker that could look, a sweep says so; an unknown cluster is named', async () => {
  expect(await api.post('/api/v1/slurm/looks', { cluster: 'nowhere' })).toMatchObject({
    status: 404,
    body: { code: 'cluster_not_found' },
  });
  expect((await api.post('/api/v1/slurm/looks')).body).toMatchObject({ code: 'temporal_unavailable' });
});

test('what a look has done is counted, and how old the last one is', async () => {
  await push(squeueRow({}));
  const text = await (await api.app.request('/metrics')).text();
  expect(text).toMatch(/^bursar_jobs_adopted_total 1$/m);
  expect(text).toMatch(/^bursar_scheduler_looks_total\{result="looked"\} 1$/m);
  expect(text).toMatch(/^bursar_scheduler_reachable\{cluster="default"\} 1$/m);
  expect(text).toMatch(/^bursar_scheduler_queue_age_seconds\{cluster="default"\} \d/m);
});

test('a listing from a clock in the year 9999 is one that misses nothing', async () => {
  expect(await push('', { sent_at: 253_402_300_798 })).toMatchObject({
    released: 0,
    keeps: expect.stringContaining('s old'),
  });
});
