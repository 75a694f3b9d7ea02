import type { z } from 'zod';
import { renderAmount, toMicro } from '../../domain/money';
import { civilDateOf, instantOfMicros, epochMicros, startOfDay, type Instant } from '../../domain/time';
import { exactOf, gibHoursOf, hoursOf, meanOf, percentOf } from '../../domain/usage-report';
import type { AccountForecast, UsageReport, Used } from '../../ledger/contract';
import type { ForecastAnswer, UsageAnswer } from '../schemas/usage';
import { amount } from './money';

export function renderUsage(report: UsageReport, forecast?: AccountForecast): z.infer<typeof UsageAnswer> {
  const { total, budget, groupBy } = report;
  return {
    account: report.account,
    unit: report.unit,
    other_units: report.otherUnits,
    period: periodOf(report),
    start_date: report.from,
    end_date: report.to,
    time_zone: report.timeZone,
    group_by: groupBy,
    summary: {
      total_spent: amount(total.amount),
      total_held: amount(report.held),
      total_jobs: total.jobs,
      avg_cost_per_job: amount(meanOf(total.amount, total.jobs)),
      budget_utilized: Number(percentOf(budget.used, budget.limit)),
      budget_limit: amount(budget.limit),
      budget_used: amount(budget.used),
      budget_available: amount(budget.available),
      ...renderUsed(total),
    },
    breakdown:
      groupBy &&
      report.rows.map((row) => ({
        category: groupBy,
        label: row.label ?? '(none)',
        unit: report.unit,
        amount: amount(row.amount),
        job_count: row.jobs,
        percentage: Number(percentOf(row.amount, total.amount)),
        start_date: row.from,
        end_date: row.to,
        ...renderUsed(row),
      })),
    next_cursor: report.nextCursor,
    forecast: forecast && forecastFields(forecast),
  };
}

/** The only place where hours become doubles: fifteen digits carry four decimals of any hours there are. */
const renderUsed = ({ unmetered, seconds }: Used) => ({
  unmetered_jobs: unmetered,
  cpu_hours: Number(hoursOf(seconds.cpu)),
  gpu_hours: Number(hoursOf(seconds.gpu)),
  node_hours: Number(hoursOf(seconds.node)),
  memory_gib_hours: Number(gibHoursOf(seconds.memoryMib)),
  cpu_seconds: exactOf(seconds.cpu),
  gpu_seconds: exactOf(seconds.gpu),
  node_seconds: exactOf(seconds.node),
  memory_mib_seconds: exactOf(seconds.memoryMib),
});

function periodOf({ from, to, timeZone }: Pick<UsageReport, 'from' | 'to' | 'timeZone'>): string {
  const isMidnight = (at: Instant) => startOfDay(civilDateOf(at, timeZone), timeZone) === at;
  const last = isMidnight(to) ? civilDateOf(instantOfMicros(epochMicros(to) - 1n), timeZone) : to;
  return `${isMidnight(from) ? civilDateOf(from, timeZone) : from} to ${last}`;
}

export const renderForecast = (forecast: AccountForecast): z.infer<typeof ForecastAnswer> => ({
  account: forecast.account,
  unit: forecast.unit,
  time_zone: forecast.timeZone,
  ...forecastFields(forecast),
});

const forecastFields = (forecast: AccountForecast) => ({
  projected_spend: Number(renderAmount(forecast.finalSpend)),
  projected_overrun: Number(renderAmount(forecast.overrun)),
  projected_underrun: Number(renderAmount(forecast.underrun)),
  projected_depletion: forecast.depletedAt === undefined ? undefined : instantOfMicros(forecast.depletedAt),
  burn_rate: amount(forecast.perDay),
  confidence: Number(renderAmount(toMicro(BigInt(forecast.confidence) * 10_000n))),
  method: forecast.method,
  recommendation: adviceOf(forecast),
  sample_days: forecast.sampleDays,
  window_start: forecast.from,
  window_end: forecast.to,
  days_remaining: forecast.daysLeft,
  projected_end_date: forecast.endsAt,
  budget_limit: amount(forecast.limit),
  budget_used: amount(forecast.used),
  budget_available: amount(forecast.available),
  as_of: forecast.at,
});

function adviceOf({
  depletedAt,
  endsAt,
  timeZone,
  sampleDays,
  at,
  unit,
  overrun,
}: AccountForecast): string | undefined {
  if (epochMicros(at) >= epochMicros(endsAt)) return undefined;
  if (sampleDays === 0) return 'The account has no whole day behind it yet; ask again tomorrow.';
  if (depletedAt === undefined) return undefined;
  const day = civilDateOf(instantOfMicros(depletedAt), timeZone);
  const missing = overrun > 0n ? ` ${renderAmount(overrun)} ${unit} would be missing at the end.` : '';
  return `At this rate nothing is left after ${day}: use less, or raise the budget before then.${missing}`;
}
