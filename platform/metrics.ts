/**
 * The numbers Bursar shows to Prometheus: ASBB's names as they are (contract §11), ours as `bursar_*`.
 *
 * Labels come from closed sets. The account is the exception, so it is capped: the accounts with the most money in play
 * keep their names, the others are summed as "other". Job, user and hold ids are never labels.
 */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { toJsonNumber, type Micro } from '../domain/money';
import { buildFacts } from './build-facts';

export interface AccountFigures {
  account: string;
  unit: string;
  limit: Micro;
  used: Micro;
  held: Micro;
  available: Micro;
  openHolds: number;
}

export interface MetricsOptions {
  /** How many accounts keep their names (BURSAR_METRICS_ACCOUNTS). */
  accountsMax: number;
}

export type Metrics = ReturnType<typeof createMetrics>;

const LATENCY_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** One registry a process. Who does something counts it here; `onScrape` is for what is read from the ledger. */
export function createMetrics({ accountsMax }: MetricsOptions) {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry, prefix: 'bursar_' });

  const counter = <L extends string>(name: string, help: string, labelNames: L[] = []) =>
    new Counter({ name, help, labelNames, registers });
  const gauge = <L extends string>(name: string, help: string, labelNames: L[] = []) => {
    const made = new Gauge({ name, help, labelNames, registers });
    // Not zero until somebody knows better: books that were never proved in this process have no difference to show.
    if (labelNames.length === 0) made.remove();
    return made;
  };
  const histogram = <L extends string>(name: string, help: string, buckets: number[], labelNames: L[] = []) =>
    new Histogram({ name, help, labelNames, buckets, registers });

  const { version, gitCommit } = buildFacts();
  gauge('bursar_build_info', 'Always 1; the labels say what runs', ['version', 'commit'])
    .labels(version, gitCommit)
    .set(1);

  const ofAccount = ['account', 'unit'];
  const accounts = {
    limit: gauge('asbb_budget_limit', 'Money granted to the account', ofAccount),
    used: gauge('asbb_budget_used', 'Money settled in the account', ofAccount),
    held: gauge('asbb_budget_held', 'Money held for jobs of the account', ofAccount),
    available: gauge('asbb_budget_available', 'Money the account can still spend', ofAccount),
    openHolds: gauge('asbb_open_holds', 'Holds that are neither settled nor released', ofAccount),
    count: gauge('asbb_budget_accounts_total', 'Accounts that are not archived'),
    usedInAll: gauge('asbb_budget_used_total', 'Money settled in all accounts', ['unit']),
  };

  // Contract §11 promises these names to ASBB's dashboards. Nothing counts yet, and they say so.
  counter('asbb_allocations_total', 'Deposits made by a schedule. 0: there are no schedules yet');
  gauge('asbb_alerts_active', 'Alerts that are not resolved. Empty: there are no alerts yet', ['type', 'severity']);

  const collectors: (() => Promise<void> | void)[] = [];
  const failedCollections = counter('bursar_scrape_errors_total', 'Figures that could not be read for a scrape');

  return {
    registry,

    // Admission
    checks: counter('asbb_budget_checks_total', 'Budget checks answered', ['result']),
    checkSeconds: histogram('asbb_budget_check_duration_seconds', 'Time to answer a budget check', LATENCY_BUCKETS),
    refusals: counter('bursar_refusals_total', 'Checks that were refused, by what refused them', ['code']),
    overdueHolds: gauge('bursar_holds_overdue', 'Open holds of which nothing was heard for too long'),

    // The advisor
    advisorRequests: counter('asbb_advisor_requests_total', 'What the advisor was needed for, by what came of it', [
      'result',
    ]),
    advisorSeconds: histogram(
      'bursar_advisor_request_duration_seconds',
      'Time the advisor was waited for',
      LATENCY_BUCKETS,
    ),
    advisorBreakerOpen: gauge('bursar_advisor_breaker_open', '1 while the advisor is left alone after failures'),

    // Movements
    transactions: counter('asbb_transactions_total', 'Transactions written, by type', ['type']),
    reconciliations: counter('asbb_reconciliations_total', 'Reconciliations answered', ['result']),

    // Jobs and their stories
    jobEvents: counter('bursar_job_events_total', 'Job events received', ['type', 'status']),
    unmatchedReports: gauge('bursar_unmatched_waiting', 'Reports of ended jobs that wait for a hold to be known'),
    quarantinedJobs: gauge('bursar_jobs_quarantined', 'Jobs that cannot be priced and wait for somebody'),
    outboxWaiting: gauge('bursar_outbox_waiting', 'Stories that wait to be started or rung'),
    outboxOldestSeconds: gauge('bursar_outbox_oldest_seconds', 'Age of the oldest of them'),
    dispatched: counter('bursar_dispatched_total', 'Outbox items brought to Temporal', ['kind', 'outcome']),
    temporalReachable: gauge('bursar_temporal_reachable', '1 while Temporal takes what the dispatcher brings'),
    restartedStories: counter('bursar_stories_restarted_total', 'Stories that were lost and are told again'),

    // Schedulers
    schedulerLooks: counter('bursar_scheduler_looks_total', 'Looks at queue and accounting, by what came of them', [
      'result',
    ]),
    adoptedJobs: counter(
      'bursar_jobs_adopted_total',
      'Jobs that ran without a hold and were given a late one by a look',
    ),
    holdsGivenBack: counter(
      'bursar_holds_given_back_total',
      'Holds given back, or made smaller, because no job carries them',
    ),
    schedulerReachable: gauge('bursar_scheduler_reachable', '1 where the last look was answered', ['cluster']),
    queueAgeSeconds: gauge('bursar_scheduler_queue_age_seconds', 'Age of the last whole listing of the queue', [
      'cluster',
    ]),
    accountingAgeSeconds: gauge('bursar_scheduler_accounting_age_seconds', 'Time since the accounting was last heard', [
      'cluster',
    ]),
    unseenHolds: gauge('bursar_holds_unseen', 'Open holds that no job of the queue carries', ['cluster']),

    // The proof
    auditDifference: gauge(
      'bursar_ledger_audit_difference',
      'Sum of the differences between balances and entries. Anything but zero is a defect',
    ),
    auditAgeSeconds: gauge('bursar_ledger_audit_age_seconds', 'Time since the books were last proved'),
    unsealed: gauge('bursar_ledger_unsealed_transactions', 'Transactions that are not in the hash chain yet'),

    // HTTP
    refusedRequests: counter('bursar_http_refused_total', 'Requests turned away at the door', ['reason']),
    requests: counter('bursar_http_requests_total', 'Requests answered', ['method', 'route', 'status']),
    requestSeconds: histogram('bursar_http_request_duration_seconds', 'Time to answer a request', LATENCY_BUCKETS, [
      'method',
      'route',
    ]),

    /** Shows these accounts and forgets the ones that were shown before. */
    showAccounts(rows: readonly AccountFigures[]): void {
      for (const each of Object.values(accounts)) each.reset();
      accounts.count.set(rows.length);
      for (const row of rows) accounts.usedInAll.labels(row.unit).inc(toJsonNumber(row.used));
      const inPlay = (row: AccountFigures) => row.used + row.held;
      const ranked = [...rows].sort((a, b) => (inPlay(a) < inPlay(b) ? 1 : inPlay(a) > inPlay(b) ? -1 : 0));
      for (const [index, row] of ranked.entries()) {
        const labels = [index < accountsMax ? row.account : 'other', row.unit] as const;
        accounts.limit.labels(...labels).inc(toJsonNumber(row.limit));
        accounts.used.labels(...labels).inc(toJsonNumber(row.used));
        accounts.held.labels(...labels).inc(toJsonNumber(row.held));
        accounts.available.labels(...labels).inc(toJsonNumber(row.available));
        accounts.openHolds.labels(...labels).inc(row.openHolds);
      }
    },

    /** Reads something just before the metrics are shown. Failing costs this one figure, not the whole answer. */
    onScrape(collect: () => Promise<void> | void): void {
      collectors.push(collect);
    },

    contentType: registry.contentType,

    /** The text for Prometheus. */
    async scrape(): Promise<string> {
      const results = await Promise.allSettled(collectors.map(async (collect) => collect()));
      failedCollections.inc(results.filter(({ status }) => status === 'rejected').length);
      return registry.metrics();
    },
  };
}
