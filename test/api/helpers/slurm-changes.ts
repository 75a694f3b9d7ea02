/** Jobs that are submitted to Slurm and changed there (`scontrol update`), over a fresh API, with accounts proj-a and proj-b of 10 each. */
import { randomBytes } from 'node:crypto';
import { renderStamp } from '../../../domain/slurm-stamp';
import { type Body, startApi, type TestApi } from './api';

export let api: TestApi;
beforeEach(async () => {
  api = await startApi();
  await api.account('proj-a', 10);
  await api.account('proj-b', 10);
});
afterEach(() => api.stop());

export const newKey = () => randomBytes(16).toString('hex');
export const SUBMITTED = Math.floor(Date.now() / 1000) - 60;
/** 1.00 an hour, held as 1.20. */
export const RAW = {
  user: 'alice',
  account: 'proj-a',
  partition: 'cpu',
  time_limit: 60,
  num_tasks: 10,
  submit_time: SUBMITTED,
};

export async function submitted(job: object = RAW): Promise<string> {
  const key = newKey();
  const { body } = await api.post('/api/v1/slurm/submissions', { key, job });
  expect(body).toMatchObject({ accept: true });
  return key;
}

export async function modify(
  key: string | undefined,
  changes: object,
  job: object = RAW,
  new_key = newKey(),
  job_id = 100,
): Promise<Body> {
  const stamp = key === undefined ? null : renderStamp(key);
  const { status, body } = await api.post('/api/v1/slurm/modifications', { job_id, stamp, new_key, job, changes });
  expect({ status, body }).toMatchObject({ status: 200 });
  return body;
}

export const completed = (key: string, more: object = {}) => ({
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
export const tell = async (...records: object[]): Promise<Body> =>
  (await api.post('/api/v1/slurm/events', { records })).body;
export const story = async (): Promise<Body> => (await api.get('/api/v1/jobs/default/100')).body;
export const settle = async (): Promise<Body> => {
  await api.ledger.jobs.advance((await story()).transaction_id);
  return story();
};
export const held = async (name = 'proj-a'): Promise<number> =>
  (await api.get(`/api/v1/accounts/${name}`)).body.budget_held;
export const used = async (name: string): Promise<number> =>
  (await api.get(`/api/v1/accounts/${name}`)).body.budget_used;
export const openHolds = async (): Promise<Body[]> => (await api.get('/api/v1/holds?status=open')).body;

/** How many wait for a lock. */
export async function waiting(): Promise<number> {
  const [row] = await api.sql<{ n: number }[]>`
    select count(*)::int as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
  return row?.n ?? 0;
}
