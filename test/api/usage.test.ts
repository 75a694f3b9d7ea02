/** What was used, over HTTP: ASBB's report with hours beside its money, and the forecast. */
import { type Body, JOB, startApi, type TestApi } from './helpers/api';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
  await api.account('lab', 1000);
  await api.account('ice', 100, { parent: 'lab' });
  await ran('lab', 1, '2026-03-01T22:00:00-06:00', '2026-03-02T02:00:00-06:00');
  await ran('lab', 2, '2026-03-02T10:00:00-06:00', '2026-03-02T11:00:00-06:00', { user_id: 'omar' });
  await ran('ice', 3, '2026-03-04T10:00:00-06:00', '2026-03-04T10:20:00-06:00');
});
afterAll(() => api.stop());

/** Ten CPUs of one node, without a GPU; asbb-compat takes 0.10 for each CPU-hour. */
async function ran(account: string, jobId: number, startedAt: string, endedAt: string, more: object = {}) {
  const told = { job_id: jobId, account, user_id: 'rkaur', partition: 'cpu', tres: 'cpu=10,node=1,mem=20G', ...more };
  const { body } = await api.post('/api/v1/jobs/events', {
    events: [
      { type: 'started', at: startedAt, ...told },
      { type: 'ended', at: endedAt, started_at: startedAt, ...told },
    ],
  });
  await api.ledger.jobs.advance(body.receipts[0].transaction_id as string);
}

const MARCH = 'start_date=2026-03-01&end_date=2026-03-31';
const usage = async (query: string): Promise<Body> => {
  const answer = await api.get(`/api/v1/usage?${query}`);
  expect({ status: answer.status, body: answer.body }).toMatchObject({ status: 200 });
  return answer.body;
};

test("ASBB's report of an account and everything below it, with units, zone, period and hours", async () => {
  const body = await usage(`account=lab&${MARCH}&group_by=day`);
  expect(body).toMatchObject({
    account: 'lab',
    unit: 'USD',
    other_units: [],
    period: '2026-03-01 to 2026-03-31',
    start_date: '2026-03-01T06:00:00Z',
    end_date: '2026-04-01T05:00:00Z',
    time_zone: 'America/Chicago',
    group_by: 'day',
    summary: {
      total_spent: 5.333333,
      total_held: 0,
      total_jobs: 3,
      avg_cost_per_job: 1.777778,
      budget_utilized: 0.53,
      budget_limit: 1000,
      budget_used: 5.333333,
      cpu_hours: 53.3333,
      gpu_hours: 0,
      node_hours: 5.3333,
      memory_gib_hours: 106.6667,
      cpu_seconds: '192000',
      node_seconds: '19200',
      memory_mib_seconds: '393216000',
      unmetered_jobs: 0,
    },
  });
  const { breakdown } = body;
  expect(breakdown.map((row: Body) => [row.category, row.label, row.amount, row.job_count, row.cpu_hours])).toEqual([
    ['day', '2026-03-01', 2, 0, 20],
    ['day', '2026-03-02', 3, 2, 30],
    ['day', '2026-03-04', 0.333333, 1, 3.3333],
  ]);
  expect(breakdown[0]).toMatchObject({
    percentage: 37.5,
    start_date: '2026-03-01T06:00:00Z',
    end_date: '2026-03-02T06:00:00Z',
  });
});

test('without a grouping there is no breakdown; with one by project a row for each account', async () => {
  expect(await usage(`account=lab&${MARCH}`)).not.toHaveProperty('breakdown');
  const { breakdown } = await usage(`${MARCH}&group_by=project`);
  expect(breakdown.map((row: Body) => [row.label, row.amount])).toEqual([
    ['lab', 5],
    ['ice', 0.333333],
  ]);
});

test('a time in which nothing was used is answered with nothing', async () => {
  const body = await usage('account=ice&start_date=2026-02-01&end_date=2026-02-28&group_by=week');
  expect(body).toMatchObject({ breakdown: [], summary: { total_spent: 0, total_jobs: 0, avg_cost_per_job: 0 } });
});

test('the Link header leads through the rows of a breakdown, a page at a time', async () => {
  const labels: string[] = [];
  for (let path: string | undefined = `/api/v1/usage?${MARCH}&group_by=day&limit=1`; path !== undefined;) {
    const { body, headers }: Body = await api.get(path);
    labels.push(...body.breakdown.map((row: Body) => row.label));
    path = /<([^>]+)>; rel="next"/.exec(headers.get('link') ?? '')?.[1];
  }
  expect(labels).toEqual(['2026-03-01', '2026-03-02', '2026-03-04']);
});

test('every mistake is named at once, with what to do', async () => {
  const { status, body } = await api.get(
    '/api/v1/usage?last=9&start_date=2026-02-30&end_date=soon&group_by=weak&time_zone=Mars&include_forecast=true&usr=x',
  );
  expect(status).toBe(400);
  expect(body.errors.map(({ pointer }: Body) => pointer).sort()).toEqual(
    ['/end_date', '/group_by', '/include_forecast', '/last', '/last', '/start_date', '/time_zone', '/usr'].sort(),
  );
  expect((await api.get('/api/v1/usage?start_date=2026-03-02&end_date=2026-03-01')).body.errors).toEqual([
    { pointer: '/end_date', detail: 'must be after start_date' },
  ]);
  expect((await api.get('/api/v1/usage?account=nobody')).status).toBe(404);
  expect((await api.get('/api/v1/usage?cluster=nowhere')).status).toBe(404);
  expect((await api.get('/api/v1/usage?account=lab&unit=SU')).status).toBe(409);
});

test('a forecast carries the mean of the whole days before today to the end, names its method, and is the one in the report', async () => {
  const dayMs = 86_400_000;
  const now = Date.now();
  const at = (daysAgo: number, hour: number) => new Date(now - daysAgo * dayMs + hour * 3_600_000).toISOString();
  await api.account('spender', 100, {
    start_date: at(40, 0),
    end_date: at(-400, 0),
    time_zone: 'UTC',
  });
  const shiftToNoon = 12 - new Date(now).getUTCHours();
  for (let day = 1; day <= 30; day++) {
    await ran('spender', 100 + day, at(day, shiftToNoon), at(day, shiftToNoon + 1));
  }
  const { body } = await api.get('/api/v1/accounts/spender/forecast');
  expect(body).toMatchObject({
    account: 'spender',
    unit: 'USD',
    time_zone: 'UTC',
    method: 'rolling_mean',
    sample_days: 30,
    burn_rate: 1,
    budget_limit: 100,
    budget_used: 30,
    budget_available: 70,
    confidence: 1,
    projected_underrun: 0,
  });
  expect(body.projected_overrun).toBeCloseTo(330, 3);
  expect(body.projected_spend).toBeCloseTo(430, 3);
  expect(Date.parse(body.projected_depletion) - Date.parse(body.as_of)).toBeCloseTo(70 * dayMs, -1);
  expect(body.recommendation).toMatch(
    /^At this rate nothing is left after \d{4}-\d\d-\d\d: use less, or raise the budget/,
  );
  const { forecast } = await usage('account=spender&include_forecast=true');
  expect(forecast).toMatchObject({ burn_rate: 1, confidence: 1, sample_days: 30, method: 'rolling_mean' });
});

test('an account that began today, or that does not exist, has no forecast to speak of', async () => {
  await api.account('new', 100, { start_date: new Date().toISOString() });
  const { body } = await api.get('/api/v1/accounts/new/forecast');
  expect(body).toMatchObject({
    sample_days: 0,
    burn_rate: 0,
    confidence: 0,
    projected_spend: 0,
    projected_underrun: 100,
  });
  expect(body).not.toHaveProperty('projected_depletion');
  expect((await api.get('/api/v1/accounts/nobody/forecast')).status).toBe(404);
});

test('what has not been built does not pretend: there is no burn-rate endpoint', async () => {
  expect((await api.get('/api/v1/burn-rate/lab')).status).toBe(404);
});

test('money that is held is shown, and is not spent', async () => {
  await api.account('held', 10);
  await api.post('/api/v1/budget/check', { account: 'held', ...JOB });
  expect((await usage('account=held')).summary).toMatchObject({ total_spent: 0, total_held: 0.12, budget_utilized: 0 });
});
