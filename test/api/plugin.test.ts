/** What ASBB's submit plugin and the epilogs of its sites really send is understood (contract 3.1, 8.2, 8.3). */
import { startApi, type TestApi } from './helpers/api';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
  await api.account('lab', 1_000_000);
});
afterAll(() => api.stop());

const PLUGIN = {
  account: 'lab',
  partition: 'default',
  nodes: 1,
  cpus: 1,
  gpus: 0,
  wall_time: '01:00:00',
  memory: '4096MB',
  user_id: 'rkaur',
  job_details: { job_name: 'x', work_dir: '/home/rkaur' },
};

const cost = async (more: object): Promise<number> => {
  const { status, body } = await api.post('/api/v1/budget/estimate', { ...PLUGIN, ...more });
  expect(status).toBe(200);
  return body.estimated_cost as number;
};

test.each([
  ['NO_VAL', 4_294_967_294],
  ['INFINITE', 4_294_967_295],
  ['NO_VAL cast to an int', -2],
  ['zero', 0],
])('%s nodes and CPUs are one', async (_what, unset) => {
  expect(await cost({ nodes: unset, cpus: unset })).toBe(0.1);
});

test('unset GPUs are none', async () => {
  expect(await cost({ gpus: -2 })).toBe(0.1);
  expect(await cost({ gpus: 4_294_967_294 })).toBe(0.1);
});

test.each([
  ['per-CPU memory with its flag', `${2n ** 63n + 4096n}MB`],
  ['the same as a negative number', `${-(2n ** 63n) + 4096n}MB`],
  ['memory that was not set', `${2n ** 64n - 2n}MB`],
  ['a bare number', '4096'],
])('%s is no obstacle', async (_what, memory) => {
  expect(await cost({ memory })).toBe(0.1);
});

test('hours beyond 99 are hours', async () => {
  expect(await cost({ wall_time: '100:00:00' })).toBe(10);
  expect(await cost({ wall_time: '1000:00:00' })).toBe(100);
});

test.each([
  ['1-12:00:00', 3.6],
  ['1-12', 3.6],
  ['90', 0.15],
  [90, 0.15],
  ['90:00', 0.15],
  ['30:00', 0.05],
])('a time limit of %p is priced as what it says', async (wall_time, expected) => {
  expect(await cost({ wall_time })).toBeCloseTo(expected, 5);
});

test('gpu:type:n counts its GPUs', async () => {
  expect(await cost({ gres: 'gpu:a100:4' })).toBe(await cost({ gpus: 4 }));
  expect(await cost({ tres: 'cpu=1,node=1,gres/gpu:a100=4' })).toBe(await cost({ gpus: 4 }));
});

test('tres wins over the single fields, which it makes needless', async () => {
  const { body } = await api.post('/api/v1/budget/estimate', {
    account: 'lab',
    partition: 'p',
    wall_time: '60',
    tres: 'cpu=4,mem=8G,node=2',
  });
  // A CPU counts once with tres (rulings 22): 4 x 0.10, not 2 x 4 x 0.10.
  expect(body.estimated_cost).toBe(0.4);
});

test('no finite limit takes the maximum of its partition, and is refused where there is none', async () => {
  await api.put('/api/v1/clusters/default/partitions/week', { max_time_seconds: 604_800 });
  const week = await api.post('/api/v1/budget/estimate', { ...PLUGIN, partition: 'week', wall_time: 'UNLIMITED' });
  expect(week.body).toMatchObject({ available: true, estimated_cost: 16.8 });
  const endless = await api.post('/api/v1/budget/check', { ...PLUGIN, wall_time: 'UNLIMITED' });
  expect(endless.status).toBe(200);
  expect(endless.body).toMatchObject({ available: false, code: 'time_limit_missing' });
});

test('an array is held as a whole, a heterogeneous job all or nothing', async () => {
  expect(await cost({ array_tasks: 16 })).toBe(1.6);
  expect(await cost({ array_tasks: '0-15%2' })).toBe(1.6);
  const component = { partition: 'p', nodes: 1, cpus: 10, wall_time: '60' };
  await api.account('small', 2);
  const both = { account: 'small', components: [component, component] };
  const denied = await api.post('/api/v1/budget/check', both);
  expect(denied.body).toMatchObject({ available: false, estimated_cost: 2 });
  expect((await api.get('/api/v1/holds?account=small')).body).toEqual([]);
  const one = await api.post('/api/v1/budget/check', { ...both, account: 'lab' });
  expect(one.body.component_transaction_ids).toHaveLength(2);
  expect(one.body.component_transaction_ids[0]).toBe(one.body.transaction_id);
});

test("an epilog may say how a job ended in Slurm's words, cut off, or as a bare exit code", async () => {
  const states = ['COMPLETED', 'CANCELLED by 1000', 'TIMEOUT', 'OUT_OF_ME+', '0', 0, 1, 'failed'];
  for (const [index, end_state] of states.entries()) {
    const { status } = await api.post('/api/v1/jobs/events', {
      events: [
        {
          type: 'ended',
          job_id: 7000 + index,
          account: 'lab',
          at: '2026-03-02T14:00:00Z',
          started_at: '2026-03-02T13:00:00Z',
          end_state,
          nodes: 1,
          cpus: 1,
        },
      ],
    });
    expect(status).toBe(200);
    const story = await api.get(`/api/v1/jobs/default/${7000 + index}`);
    expect(['COMPLETED', 'CANCELLED', 'TIMEOUT', 'OUT_OF_MEMORY', 'FAILED']).toContain(story.body.runs[0]?.end_state);
  }
});

test('array tasks and components are understood within the job id', async () => {
  const at = '2026-03-02T14:00:00Z';
  const { body } = await api.post('/api/v1/jobs/events', {
    events: [
      { type: 'started', job_id: '900_3', account: 'lab', at, nodes: 1, cpus: 1 },
      { type: 'started', job_id: '901+1', account: 'lab', at, nodes: 1, cpus: 1 },
    ],
  });
  expect(body.receipts.map(({ job_id }: { job_id: string }) => job_id)).toEqual(['900', '901']);
  expect((await api.get('/api/v1/jobs/default/900')).body.events[0].task).toBe('3');
});
