/** Usage reports and forecasts (contract 7.1, 7.4): ASBB's fields, and beside them hours, units, zones and times. */
import { z } from 'zod';
import { Fault } from '../../domain/faults';
import { readCivilDate, readInstant } from '../../domain/time';
import { GROUPINGS } from '../../domain/usage-report';
import {
  AccountName,
  ClusterName,
  Count,
  Money,
  Time,
  TimeZone,
  Unit,
  alongside,
  flag,
  pageQuery,
  readWith,
  text,
} from './wire';

const LAST_YEAR = '9998';

const DayOrInstant = z
  .string()
  .transform(
    readWith((written) => {
      const read = /^\d{4}-\d\d-\d\d$/.test(written) ? readCivilDate(written) : readInstant(written);
      if (read.slice(0, 4) > LAST_YEAR) throw new Fault('malformed_request', `must lie before the year ${LAST_YEAR}`);
      return read;
    }),
  )
  .meta({ type: 'string' });

export const UsageQuery = z
  .object({
    account: AccountName.optional().describe(
      'This account and everything below it. Default: all accounts of one unit.',
    ),
    unit: Unit.optional().describe(
      'Without an account: which unit to report in. Default: the one most accounts count in.',
    ),
    start_date: DayOrInstant.optional().describe(
      'A day (2026-03-01) of the zone of the report, or an RFC 3339 time. Default: thirty days up to the end.',
    ),
    end_date: DayOrInstant.optional().describe(
      'A day, which is included, or an RFC 3339 time, which is not. Default: the end of today.',
    ),
    last: text(8)
      .regex(/^[1-9]\d{0,3}[hdw]$/, 'must be hours, days or weeks, like 12h, 30d or 4w')
      .optional()
      .describe('In place of the dates: 12h until now, or 30d or 4w of whole days, today the last of them.'),
    time_zone: TimeZone.optional().describe(
      "Whose days these are. Default: the zone of the cluster asked for, or of all clusters if they agree; else the account's, else the server's.",
    ),
    cluster: ClusterName.optional().describe('Only what was used on this cluster.'),
    partition: text(128).optional().describe('Only what was used in partitions of this name.'),
    user: text(128).optional().describe('Only what this user used.'),
    group_by: z
      .enum(GROUPINGS)
      .optional()
      .describe(
        'What the breakdown has a row for; without it there is none. project is the same as account until projects exist.',
      ),
    include_forecast: flag.optional().describe('true: with the forecast of the account.'),
    ...pageQuery,
  })
  .superRefine((query, context) => {
    const complain = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    if (query.last !== undefined && (query.start_date ?? query.end_date) !== undefined) {
      complain('last', 'stands in place of start_date and end_date; leave it or them out');
    }
    if (query.include_forecast && query.account === undefined) {
      complain('include_forecast', 'is made for one account; name it with account');
    }
  }, alongside);

const Hours = z.number().meta({ description: 'Hours at four decimals.' });
const Exact = z.string().meta({ description: 'Exact, a decimal of any length.' });
const Percent = z.number().meta({ description: 'Per cent, at two decimals.' });

const used = {
  unmetered_jobs: Count.describe(
    'Those of the jobs of which nobody has said when they began or ended, or what they had: money, but no hours.',
  ),
  cpu_hours: Hours,
  gpu_hours: Hours,
  node_hours: Hours,
  memory_gib_hours: Hours.describe('Of the jobs whose memory is known; hours at four decimals.'),
  cpu_seconds: Exact,
  gpu_seconds: Exact,
  node_seconds: Exact,
  memory_mib_seconds: Exact,
};

/** Where a line leads is no amount that anybody has, so the ceiling does not bind it. */
const Projected = z.number().meta({ description: "In the account's unit, rounded to the millionth." });

const forecast = {
  projected_spend: Projected.describe('By the end of the account, what was spent so far included.'),
  projected_overrun: Projected.describe('Of that, what is beyond the budget.'),
  projected_underrun: Projected.describe('What would be left of the budget.'),
  projected_depletion: Time.optional().describe('When what is available is used up, if that is before the end.'),
  burn_rate: Money.describe('Spent per day: the mean of the whole days from window_start to window_end.'),
  confidence: z
    .number()
    .min(0)
    .max(1)
    .describe('(days / 30) / (1 + cv^2), where cv is the standard deviation of the days over their mean.'),
  method: z.enum(['rolling_mean', 'linear_regression']).describe('Which way of projecting was used.'),
  recommendation: z.string().optional().describe('What to do about it, in words.'),
  sample_days: Count.describe('Whole days that were looked back on: 30, or all since the account began.'),
  window_start: Time.describe('The beginning of the first day that was looked back on.'),
  window_end: Time.describe("Exclusive: the beginning of today in the account's zone."),
  days_remaining: Count.describe('Whole days from now to projected_end_date.'),
  projected_end_date: Time.describe("The account's end; exclusive."),
  budget_limit: Money,
  budget_used: Money,
  budget_available: Money,
  as_of: Time.describe('When this was computed.'),
};

export const UsageAnswer = z
  .object({
    account: z.string().optional().describe('Absent: all accounts that count in this unit.'),
    unit: z.string().describe('What amounts are counted in: a currency, or a service unit.'),
    other_units: z.array(z.string()).describe('Units of accounts that are not in this report; ask again with unit.'),
    period: z.string().describe('The first day and the last, or times where it begins or ends within a day.'),
    start_date: Time.describe('The first moment of it.'),
    end_date: Time.describe('Exclusive.'),
    time_zone: z.string().describe('Whose days these are.'),
    group_by: z.enum(GROUPINGS).optional().describe('As it was asked for.'),
    summary: z
      .object({
        total_spent: Money.describe('Charges of the use in that time, with adjustments, less refunds.'),
        total_held: Money.describe('By open holds now.'),
        total_jobs: Count.describe('Runs that ended in that time.'),
        avg_cost_per_job: Money,
        budget_utilized: Percent.describe('Of the whole budget, what is spent by now; per cent, at two decimals.'),
        budget_limit: Money,
        budget_used: Money,
        budget_available: Money,
        ...used,
      })
      .describe('Of everything that the report is about.'),
    breakdown: z
      .array(
        z.object({
          category: z.enum(GROUPINGS).describe('What label is one of.'),
          label: z.string().describe('"(none)" where a job has no user or partition.'),
          unit: z.string().describe('What amounts are counted in: a currency, or a service unit.'),
          amount: Money,
          job_count: Count.describe('Runs that ended in that time.'),
          percentage: Percent.describe('Of total_spent; per cent, at two decimals.'),
          start_date: Time.optional().describe('The first moment of it.'),
          end_date: Time.optional().describe('Exclusive.'),
          ...used,
        }),
      )
      .optional()
      .describe('In the order of time, or the largest amount first. What has nothing at all has no row.'),
    next_cursor: z.string().optional().describe('There are more rows: ask again with cursor.'),
    forecast: z.object(forecast).optional().describe('Where the money is going.'),
  })
  .meta({ id: 'UsageReport' });

export const ForecastAnswer = z
  .object({
    account: z.string().describe('The account.'),
    unit: z.string().describe('What amounts are counted in: a currency, or a service unit.'),
    time_zone: z.string().describe('The IANA zone that zoneless times and days are read in.'),
    ...forecast,
  })
  .meta({ id: 'Forecast' });
