/** Budget checks with an advisor beside them: it prices what it can in time, and nothing waits for it or changes in silence. */
import { readConfig } from '../../platform/config';
import { costs, hangs, says, startAdvisor, type AdvisorServer } from '../helpers/advisor-server';
import { eventually } from '../helpers/eventually';
import { JOB, startApi, type Answer, type TestApi } from './helpers/api';

const CHECK = '/api/v1/budget/check';
const ESTIMATE = '/api/v1/budget/estimate';

let advisor: AdvisorServer;
const started: TestApi[] = [];
beforeEach(async () => {
  advisor = await startAdvisor(costs('41.500000049'));
});
afterEach(async () => {
  for (const api of started.splice(0)) await api.stop();
  await advisor.stop();
});

/** An API that is configured by these keys, with a deadline that is only met where a test means it. */
async function start(keys: Record<string, string> = {}, poolSize?: number): Promise<TestApi> {
  const { integration } = readConfig(
    [],
    {
      BURSAR_ADVISOR_URL: advisor.url,
      BURSAR_SERVICE_WRITE_TIMEOUT: '1m',
      BURSAR_ADVISOR_SUBMIT_TIMEOUT: '5s',
      BURSAR_ADVISOR_TIMEOUT: '30s',
      BURSAR_ADVISOR_RETRY_ATTEMPTS: '0',
      BURSAR_ADVISOR_CACHE_ENABLED: 'false',
      ...keys,
    },
    { file: '/dev/null' },
  );
  const api = await startApi({ integration, deadlineMs: 60_000, ...(poolSize !== undefined && { poolSize }) });
  started.push(api);
  return api;
}

const spoke = ({ body }: Answer) => ({
  available: body.available,
  cost: body.estimated_cost,
  estimator: body.details.estimator,
  advisor: body.details.advisor?.outcome,
});

const rate = (api: TestApi, resource: string, price: number, more: object = {}) =>
  api.post('/api/v1/rates', {
    cluster: 'default',
    resource,
    unit: 'USD',
    price,
    source: 'test',
    starts_at: '2026-01-01T00:00:00Z',
    ...more,
  });

describe('the advisor speaks', () => {
  test('its cost is the estimate, the hold is that times the multiplier, and the answer says who spoke', async () => {
    const api = await start();
    const account = await api.account('climate-ml', 1000);
    const { body } = await api.post(CHECK, { account, ...JOB, partition: 'gpu-aws' });
    expect(body).toMatchObject({
      available: true,
      estimated_cost: 41.5,
      hold_amount: 49.8,
      budget_remaining: 950.2,
      recommendation: 'Spot capacity is plentiful',
      confidence: 0.91,
      details: {
        account_balance: 1000,
        current_hold: 49.8,
        estimator: 'advisor',
        advisor_confidence: 0.91,
        advisor: { outcome: 'answered', detail: 'The advisor estimated 41.5 USD.', numerals: ['41.500000049'] },
      },
      estimate: { method: 'advisor', lines: expect.arrayContaining(['the advisor says 41.5 USD']), unbilled: [] },
    });
    expect((await api.get(`/api/v1/accounts/${account}`)).body.budget_held).toBe(49.8);
  });

  test('every limit is looked at as ever: a no by money, by partition, by status', async () => {
    const api = await start();
    const no = async (account: string) => {
      const { body } = await api.post(CHECK, { account, ...JOB });
      return [body.available, body.code, body.estimated_cost, body.hold_amount];
    };
    expect(await no(await api.account('poor', 49.79))).toEqual([false, 'insufficient_budget', 41.5, 49.8]);
    await api.put(`/api/v1/accounts/${await api.account('capped')}/partition-limits/cpu`, { limit: 49.79 });
    expect(await no('capped')).toEqual([false, 'partition_limit_exceeded', 41.5, 49.8]);
    expect(await no(await api.account('asleep', 1000, { status: 'inactive' }))).toEqual([
      false,
      'account_inactive',
      41.5,
      49.8,
    ]);
  });

  test('it is asked about one task of an array, and the whole array is held', async () => {
    advisor.respond = costs('0.3333333');
    const api = await start();
    const account = await api.account('array', 1000);
    const { body } = await api.post(CHECK, { account, ...JOB, array_tasks: '0-2' });
    expect(body).toMatchObject({ estimated_cost: 0.999999, hold_amount: 1.199999 });
    expect(JSON.parse(advisor.asked[0]?.body ?? '')).toMatchObject({ nodes: 1, cpus: 1, wall_time: '01:00:00' });
  });

  test('of a heterogeneous job it speaks of all components, or nobody hears it', async () => {
    advisor.respond = (answer, { body }) => costs(body.includes('"gpu"') ? 30 : 12)(answer, { body } as never);
    const api = await start();
    const account = await api.account('het', 1000);
    const components = [{ ...JOB }, { ...JOB, partition: 'gpu' }];
    const both = await api.post(CHECK, { account, components });
    expect(both.body).toMatchObject({ estimated_cost: 42, details: { advisor: { numerals: ['12', '30'] } } });
    expect(both.body.component_transaction_ids).toHaveLength(2);

    advisor.respond = (answer, asked) =>
      (asked.body.includes('"gpu"') ? says({ error: 'no GPUs' }) : costs(12))(answer, asked);
    const { body } = await api.post(CHECK, { account, components });
    expect(body).toMatchObject({
      available: true,
      estimated_cost: 0.3, // 0.10 for one hour of a CPU, twice that in a partition called gpu.
      details: { estimator: 'asbb-compat', advisor: { outcome: 'error' } },
    });
  });

  test('what the cluster has no rate for is admitted at its price', async () => {
    const api = await start();
    await rate(api, 'cpu', 1);
    const account = await api.account('unrated');
    expect(spoke(await api.post(CHECK, { account, ...JOB, gpus: 1 }))).toMatchObject({
      estimator: 'advisor',
      cost: 41.5,
    });
  });

  test('a job without an end is refused without asking', async () => {
    const api = await start();
    const account = await api.account('endless');
    const { body } = await api.post(CHECK, { account, ...JOB, wall_time: 'UNLIMITED' });
    expect(body).toMatchObject({ code: 'time_limit_missing', details: { advisor: { outcome: 'not_asked' } } });
    expect(advisor.asked).toEqual([]);
  });

  test('the cap of a cluster on holds caps its holds too', async () => {
    const api = await start();
    await api.put('/api/v1/clusters/default', { hold_cap: 5 });
    const { body } = await api.post(CHECK, { account: await api.account('held-less', 10), ...JOB });
    expect(body).toMatchObject({ available: true, estimated_cost: 41.5, hold_amount: 5 });
  });

  test('the job script is told, and not kept', async () => {
    const api = await start();
    const account = await api.account('scripted');
    await api.post(CHECK, { account, ...JOB, job_script: '#!/bin/sh\nsrun secret-sauce' });
    expect(JSON.parse(advisor.asked[0]?.body ?? '')).toMatchObject({ job_script: '#!/bin/sh\nsrun secret-sauce' });
    const [row] = await api.sql<{ kept: string }[]>`select request::text || answer::text as kept from ledger.decisions`;
    expect(row?.kept).toContain('41.500000049');
    expect(row?.kept).not.toContain('secret-sauce');
  });

  test('an account in another unit is priced by the cluster, and the advisor hears nothing of it', async () => {
    const api = await start({ BURSAR_ADVISOR_UNIT: 'EUR' });
    const answer = await api.post(CHECK, { account: await api.account('dollars'), ...JOB });
    expect(spoke(answer)).toEqual({ available: true, cost: 0.1, estimator: 'asbb-compat', advisor: 'not_asked' });
    expect(answer.body.details.advisor.detail).toMatch(/^The advisor was not asked, for it counts in EUR; /);
    expect(advisor.asked).toEqual([]);
  });

  test('an estimate says the same as the check after it, and holds nothing', async () => {
    const api = await start();
    const account = await api.account('curious');
    const estimated = await api.post(ESTIMATE, { account, ...JOB });
    expect((await api.get(`/api/v1/accounts/${account}`)).body.budget_held).toBe(0);
    const checked = await api.post(CHECK, { account, ...JOB });
    expect(spoke(estimated)).toEqual(spoke(checked));
    expect(estimated.body.hold_amount).toBe(checked.body.hold_amount);
  });

  test('a repeated check asks nobody again and is answered in the same words, a no and a silence included', async () => {
    const api = await start();
    await api.account('rich');
    await api.account('poor', 1);
    for (const account of ['rich', 'poor']) {
      const body = { account, ...JOB, idempotency_key: `once-${account}` };
      const first = await api.post(CHECK, body);
      const asked = advisor.asked.length;
      advisor.respond = costs(7);
      expect((await api.post(CHECK, body)).body).toEqual({ ...first.body, replayed: true });
      expect(advisor.asked).toHaveLength(asked);
      const other = await api.post(CHECK, { ...body, cpus: 2 });
      expect([other.status, other.body.code, advisor.asked.length]).toEqual([409, 'key_reused', asked]);
      advisor.respond = says({}, 500);
    }
  });

  test('twenty repeats at once hold once', async () => {
    const api = await start();
    const account = await api.account('repeats');
    const body = { account, ...JOB, idempotency_key: 'again' };
    const answers = await Promise.all(Array.from({ length: 20 }, () => api.post(CHECK, body)));
    expect(new Set(answers.map((answer) => answer.body.transaction_id)).size).toBe(1);
    expect((await api.get(`/api/v1/accounts/${account}`)).body.budget_held).toBe(49.8);
  });
});

describe('the advisor is silent', () => {
  test('it never answers, and the decision comes at the deadline, by the cluster, and says so', async () => {
    advisor.respond = hangs;
    const api = await start({ BURSAR_ADVISOR_SUBMIT_TIMEOUT: '40ms' });
    await rate(api, 'cpu', 3);
    const account = await api.account('patient');
    const answer = await api.post(CHECK, { account, ...JOB });
    expect(spoke(answer)).toEqual({ available: true, cost: 3, estimator: 'rates', advisor: 'timeout' });
    expect(answer.body).toMatchObject({
      hold_amount: 3.6,
      confidence: 0.9,
      recommendation: "Priced by the cluster's own rates: the advisor did not answer within 40 ms.",
      details: {
        advisor: { detail: "The advisor did not answer within 40 ms; the cluster's own prices were used." },
      },
    });
    const [row] = await api.sql<{ outcome: string }[]>`
      select request -> 'estimate' -> 'advisor' ->> 'outcome' as outcome from ledger.decisions`;
    expect(row?.outcome).toBe('timeout');
    const page = (await api.get('/metrics')).text;
    expect(page).toContain('asbb_advisor_requests_total{result="timeout"} 1');
  });

  test('while one check waits for it, neither the other checks nor the one connection to PostgreSQL wait', async () => {
    let release: (() => void) | undefined;
    advisor.respond = (answer, asked) => {
      if (asked.body.includes('"slow"')) release = () => costs(1)(answer, asked);
      else costs(2)(answer, asked);
    };
    const api = await start({}, 1);
    const account = await api.account('shared', 1000);
    let isDecided = false;
    const slow = api.post(CHECK, { account, ...JOB, partition: 'slow' }).finally(() => (isDecided = true));
    await eventually('the slow question is asked', () => release !== undefined);
    for (let check = 0; check < 5; check++) {
      expect(spoke(await api.post(CHECK, { account, ...JOB }))).toMatchObject({ cost: 2, available: true });
    }
    expect((await api.get(`/api/v1/accounts/${account}`)).body.budget_held).toBe(12);
    expect(isDecided).toBe(false);
    release?.();
    expect(spoke(await slow)).toMatchObject({ cost: 1, estimator: 'advisor' });
  });

  test('rates that change while it thinks are the rates that count', async () => {
    let release: (() => void) | undefined;
    advisor.respond = (answer, asked) => void (release = () => says({ error: 'too late' })(answer, asked));
    const api = await start();
    await rate(api, 'cpu', 1);
    const account = await api.account('thinking');
    const check = api.post(CHECK, { account, ...JOB });
    await eventually('it is asked', () => release !== undefined);
    await rate(api, 'cpu', 5, { partition: 'cpu' });
    release?.();
    expect(spoke(await check)).toMatchObject({ cost: 5, estimator: 'rates' });
    expect(advisor.asked).toHaveLength(1);
  });

  test.each([
    ['lies', () => (advisor.respond = costs('1e400')), 'bad_answer'],
    ['is broken', () => (advisor.respond = says({}, 500)), 'bad_status'],
    ['says more than any array can cost', () => (advisor.respond = costs('8589934591')), 'bad_answer'],
  ])('one that %s changes nothing in silence', async (_how, breakIt, outcome) => {
    breakIt();
    const api = await start();
    const answer = await api.post(CHECK, { account: await api.account('wary', 10), ...JOB, array_tasks: 2 });
    expect(spoke(answer)).toEqual({ available: true, cost: 0.2, estimator: 'asbb-compat', advisor: outcome });
    expect(answer.body.recommendation).toBe('Fallback cost estimate - advisor service unavailable');
  });
});

describe('integration.failure_mode', () => {
  const dead = () => (advisor.respond = says({}, 500));
  const bare = async (keys: Record<string, string>) => {
    dead();
    const api = await start(keys);
    await api.put('/api/v1/clusters/default', { price_preset: 'none' });
    return { api, account: await api.account('a') };
  };

  test('STRICT: no advisor, no job; a no that every hook understands, with its reason', async () => {
    dead();
    const api = await start({ BURSAR_INTEGRATION_FAILURE_MODE: 'STRICT' });
    await rate(api, 'cpu', 1);
    const account = await api.account('strict');
    const body = { account, ...JOB, idempotency_key: 's-1' };
    const first = await api.post(CHECK, body);
    expect(first.status).toBe(200);
    expect(first.body).toMatchObject({
      available: false,
      code: 'advisor_unavailable',
      message:
        'Advisor unavailable: the advisor answered with HTTP 500, and this site decides nothing without it (integration.failure_mode: STRICT); try again in a moment.',
      explanation: { code: 'advisor_unavailable' },
    });
    expect((await api.get(`/api/v1/accounts/${account}`)).body.budget_held).toBe(0);
    advisor.respond = costs(1);
    expect((await api.post(CHECK, body)).body).toEqual({ ...first.body, replayed: true });
    expect((await api.post(CHECK, { ...body, idempotency_key: 's-2' })).body.available).toBe(true);
  });

  test('GRACEFUL: what the cluster cannot price is refused as ever', async () => {
    const { api, account } = await bare({});
    expect((await api.post(CHECK, { account, ...JOB })).body).toMatchObject({
      available: false,
      code: 'unpriced',
      details: { estimator: 'unpriced', advisor: { outcome: 'bad_status' } },
    });
  });

  test('PERMISSIVE: it is admitted', async () => {
    const { api, account } = await bare({ BURSAR_INTEGRATION_FAILURE_MODE: 'PERMISSIVE' });
    expect(spoke(await api.post(CHECK, { account, ...JOB }))).toMatchObject({ available: true, estimator: 'unpriced' });
    const nobody = await start({
      BURSAR_INTEGRATION_FAILURE_MODE: 'PERMISSIVE',
      BURSAR_INTEGRATION_ADVISOR_FALLBACK: 'NONE',
    });
    const answer = await nobody.post(CHECK, { account: await nobody.account('a'), ...JOB });
    expect(spoke(answer)).toEqual({ available: true, cost: 0, estimator: 'unpriced', advisor: 'bad_status' });
  });

  // 2 nodes, 16 CPUs, 4 GPUs, 64 GiB, 4 h at 0.10: SIMPLE (1.6 + 4 + 0.64) x 4 x 2 for gpu-aws; STATIC 2 x 16 x 0.1 x 4.
  test.each([
    ['SIMPLE', 49.92, 'simple', 0.7],
    ['STATIC', 12.8, 'static', 0.5],
  ])(
    'advisor_fallback %s estimates where a cluster has no rates, and nowhere else',
    async (fallback, cost, by, sure) => {
      dead();
      const api = await start({ BURSAR_INTEGRATION_ADVISOR_FALLBACK: fallback });
      const account = await api.account('fallen', 1000);
      const job = { partition: 'gpu-aws', nodes: 2, cpus: 16, gpus: 4, memory: '64GB', wall_time: '04:00:00' };
      const answer = await api.post(CHECK, { account, ...job });
      expect(spoke(answer)).toEqual({ available: true, cost, estimator: by, advisor: 'bad_status' });
      expect(answer.body).toMatchObject({
        confidence: sure,
        recommendation: `Fallback cost estimate (${fallback}): the advisor answered with HTTP 500.`,
      });
      await rate(api, 'cpu', 1, { partition: 'gpu-aws' });
      await rate(api, 'gpu', 2);
      expect(spoke(await api.post(CHECK, { account, ...job }))).toMatchObject({ cost: 96, estimator: 'rates' });
    },
  );

  test('advisor_fallback NONE: nobody guesses, and the job is refused', async () => {
    dead();
    const api = await start({ BURSAR_INTEGRATION_ADVISOR_FALLBACK: 'NONE' });
    expect((await api.post(CHECK, { account: await api.account('a'), ...JOB })).body).toMatchObject({
      available: false,
      code: 'advisor_unavailable',
      message: expect.stringContaining('default has no rates of its own'),
    });
  });
});

test('without advisor.url, or switched off, nobody is asked and nothing is said of it', async () => {
  for (const keys of [{ BURSAR_ADVISOR_URL: '' }, { BURSAR_INTEGRATION_ADVISOR_ENABLED: 'false' }]) {
    const api = await start(keys);
    const { body } = await api.post(CHECK, { account: await api.account('alone'), ...JOB });
    expect(body).toMatchObject({ available: true, details: { estimator: 'asbb-compat', advisor_confidence: 0.6 } });
    expect(body.details).not.toHaveProperty('advisor');
    expect((await api.get('/health')).body).toMatchObject({
      operational_mode: 'standalone',
      services: { advisor: 'not_configured' },
    });
  }
  expect(advisor.asked).toEqual([]);
});
