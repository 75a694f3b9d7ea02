/** Prometheus sees contract section 11's names as given, ours as bursar_*, and never more accounts than configured. */
import { JOB, startApi, type TestApi } from './helpers/api';

let api: TestApi;
beforeAll(async () => {
  api = await startApi(); // two accounts keep their names
  for (const [name, money] of [
    ['big', 1000],
    ['middle', 100],
    ['small', 10],
    ['tiny', 1],
  ] as const) {
    await api.account(name, money);
  }
  for (const [account, cpus] of [
    ['big', 100],
    ['middle', 10],
    ['small', 1],
    ['tiny', 1000],
  ] as const) {
    await api.post('/api/v1/budget/check', { account, ...JOB, cpus });
  }
  const held = (await api.get('/api/v1/holds?account=small')).body[0];
  await api.post('/api/v1/budget/reconcile', { job_id: 'm', actual_cost: 0.07, transaction_id: held.transaction_id });
  await api.post('/api/v1/jobs/events', { events: [{ type: 'submitted', job_id: 1, at: '2026-03-02T14:00:00Z' }] });
  await api.get('/api/v1/nowhere');
  page = (await api.get('/metrics')).text;
});
afterAll(() => api.stop());

let page: string;

const valueOf = (series: string): number | undefined => {
  const line = page.split('\n').find((each) => each.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
};

test.each([
  ['asbb_budget_accounts_total', 4],
  ['asbb_budget_used_total{unit="USD"}', 0.07],
  ['asbb_budget_limit{account="big",unit="USD"}', 1000],
  ['asbb_budget_held{account="big",unit="USD"}', 12],
  ['asbb_budget_available{account="big",unit="USD"}', 988],
  ['asbb_open_holds{account="big",unit="USD"}', 1],
  ['asbb_budget_held{account="middle",unit="USD"}', 1.2],
  ['asbb_budget_limit{account="other",unit="USD"}', 11],
  ['asbb_budget_used{account="other",unit="USD"}', 0.07],
  ['asbb_budget_checks_total{result="approved"}', 3],
  ['asbb_budget_checks_total{result="denied"}', 1],
  ['bursar_refusals_total{code="insufficient_budget"}', 1],
  ['asbb_budget_check_duration_seconds_count', 4],
  ['asbb_reconciliations_total{result="settled"}', 1],
  ['bursar_http_requests_total{method="POST",route="/api/v1/budget/check",status="200"}', 4],
  ['bursar_http_requests_total{method="GET",route="none",status="404"}', 1],
  ['bursar_job_events_total{type="submitted",status="unmatched"}', 1],
  ['bursar_jobs_quarantined', 0],
])('%s is %d', (series, value) => expect(valueOf(series)).toBe(value));

test.each([
  'asbb_transactions_total',
  'asbb_allocations_total',
  'asbb_alerts_active',
  'asbb_advisor_requests_total',
  'bursar_ledger_audit_difference',
])('%s is there', (name) => expect(page).toMatch(new RegExp(`^# TYPE ${name} `, 'm')));

test("movements are counted by ASBB's types", async () => {
  const before = (await api.get('/metrics')).text;
  await api.post('/api/v1/accounts/big/deposits', { amount: 1 });
  page = (await api.get('/metrics')).text;
  const count = (text: string) => Number(/asbb_transactions_total\{type="allocation"\} (\d+)/.exec(text)?.[1] ?? 0);
  expect(count(page)).toBe(count(before) + 1);
});

test('no label is a job, a user or a hold, and no path a route', () => {
  expect(page).not.toMatch(/txn_|user=|job=|\/accounts\/big/);
});

test('it is the text that Prometheus reads', async () => {
  const { headers } = await api.get('/metrics');
  expect(headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
});

test('they are served where the configuration says, or not at all', async () => {
  const answers = async (metricsPath: string | false) => {
    const elsewhere = await startApi({ metricsPath });
    try {
      const paths = ['/metrics', '/numbers'];
      return (await Promise.all(paths.map((path) => elsewhere.get(path)))).map(({ status }) => status);
    } finally {
      await elsewhere.stop();
    }
  };
  expect(await answers('/numbers')).toEqual([404, 200]);
  expect(await answers(false)).toEqual([404, 404]);
});
