import { toMicro } from '../../domain/money';
import { createMetrics, type AccountFigures } from '../../platform/metrics';

const figures = (account: string, used: bigint, unit = 'USD'): AccountFigures => ({
  account,
  unit,
  limit: toMicro(100_000_000n),
  used: toMicro(used * 1_000_000n),
  held: toMicro(1_500_000n),
  available: toMicro((100n - used) * 1_000_000n - 1_500_000n),
  openHolds: 2,
});

const linesOf = async (metrics: ReturnType<typeof createMetrics>, name: string): Promise<string[]> =>
  (await metrics.scrape()).split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));

test('the names that ASBB promised are there, each with its kind', async () => {
  const text = await createMetrics({ accountsMax: 10 }).scrape();
  for (const line of [
    'asbb_budget_accounts_total gauge',
    'asbb_budget_used_total gauge',
    'asbb_transactions_total counter',
    'asbb_budget_limit gauge',
    'asbb_budget_used gauge',
    'asbb_budget_held gauge',
    'asbb_budget_available gauge',
    'asbb_budget_checks_total counter',
    'asbb_budget_check_duration_seconds histogram',
    'asbb_open_holds gauge',
    'asbb_reconciliations_total counter',
    'asbb_allocations_total counter',
    'asbb_alerts_active gauge',
    'asbb_advisor_requests_total counter',
    'bursar_ledger_audit_difference gauge',
    'bursar_build_info gauge',
  ]) {
    expect(text).toContain(`# TYPE ${line}\n`);
  }
});

test('a figure that this process has not read yet is absent, not zero', async () => {
  const metrics = createMetrics({ accountsMax: 10 });
  expect(await linesOf(metrics, 'bursar_ledger_audit_difference')).toEqual([]);
  expect(await linesOf(metrics, 'bursar_temporal_reachable')).toEqual([]);
  metrics.auditDifference.set(0);
  expect(await linesOf(metrics, 'bursar_ledger_audit_difference')).toEqual(['bursar_ledger_audit_difference 0']);
});

test('beyond the cap accounts are summed, so that nobody can fill Prometheus by making accounts', async () => {
  const metrics = createMetrics({ accountsMax: 2 });
  metrics.showAccounts([figures('small', 1n), figures('large', 50n), figures('tiny', 0n), figures('middle', 9n)]);
  expect(await linesOf(metrics, 'asbb_budget_used')).toEqual([
    'asbb_budget_used{account="large",unit="USD"} 50',
    'asbb_budget_used{account="middle",unit="USD"} 9',
    'asbb_budget_used{account="other",unit="USD"} 1',
  ]);
  expect(await linesOf(metrics, 'asbb_open_holds')).toContain('asbb_open_holds{account="other",unit="USD"} 4');
  expect(await linesOf(metrics, 'asbb_budget_accounts_total')).toEqual(['asbb_budget_accounts_total 4']);
});

test('money of different units is never added up', async () => {
  const metrics = createMetrics({ accountsMax: 0 });
  metrics.showAccounts([figures('a', 1n), figures('b', 2n, 'SU'), figures('c', 4n, 'SU')]);
  expect(await linesOf(metrics, 'asbb_budget_used_total')).toEqual([
    'asbb_budget_used_total{unit="USD"} 1',
    'asbb_budget_used_total{unit="SU"} 6',
  ]);
});

test('an account that is gone is gone from the metrics', async () => {
  const metrics = createMetrics({ accountsMax: 10 });
  metrics.showAccounts([figures('a', 1n), figures('b', 2n)]);
  metrics.showAccounts([figures('b', 2n)]);
  expect(await linesOf(metrics, 'asbb_budget_used')).toEqual(['asbb_budget_used{account="b",unit="USD"} 2']);
});

test('a figure that cannot be read costs that figure, not the scrape', async () => {
  const metrics = createMetrics({ accountsMax: 10 });
  metrics.onScrape(() => Promise.reject(new Error('PostgreSQL is away')));
  metrics.onScrape(() => metrics.outboxWaiting.set(7));
  expect(await linesOf(metrics, 'bursar_outbox_waiting')).toEqual(['bursar_outbox_waiting 7']);
  expect(await linesOf(metrics, 'bursar_scrape_errors_total')).toEqual(['bursar_scrape_errors_total 2']);
});
