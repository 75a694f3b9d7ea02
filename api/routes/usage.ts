/** What was used, and where the money is going. */
import { Hono } from 'hono';
import { given } from '../../domain/given';
import type { ApiDeps, ApiEnv } from '../env';
import { operation } from '../operation';
import { linkNext, pageOf } from '../paging';
import { renderForecast, renderUsage } from '../render/usage';
import { AccountPath } from '../schemas/account';
import { ForecastAnswer, UsageAnswer, UsageQuery } from '../schemas/usage';

const tag = 'Usage';

export const usageRoutes = ({ ledger: { usage } }: ApiDeps) =>
  new Hono<ApiEnv>()
    .get(
      '/usage',
      operation({
        id: 'readUsage',
        tag,
        summary:
          'What was used between two days: money, hours and jobs, by day, week, month, partition, user or account.',
        description:
          'Money counts on the day of the use that it paid for, refunds and adjustments too. Hours are cut at the days of time_zone. A job is a run, and counts where it ended. See docs/usage.md.',
        query: UsageQuery,
        answer: UsageAnswer,
        paged: true,
        faults: ['account_not_found', 'cluster_not_found', 'unit_mismatch'],
      }),
      async (c) => {
        const { query } = c.var.input;
        const { account, unit, cluster, partition, user } = query;
        const report = await usage.report(
          {
            ...given({ account, unit, cluster, partition, user, timeZone: query.time_zone, groupBy: query.group_by }),
            period: given({ from: query.start_date, to: query.end_date, last: query.last }),
          },
          pageOf(query),
        );
        const forecast = query.include_forecast && account !== undefined ? await usage.forecast(account) : undefined;
        if (report.nextCursor !== undefined) linkNext(c, report.nextCursor);
        return c.json(renderUsage(report, forecast));
      },
    )
    .get(
      '/accounts/:account/forecast',
      operation({
        id: 'readForecast',
        tag,
        summary: 'Where the money of an account and everything below it is going, if it goes on like this.',
        path: AccountPath,
        answer: ForecastAnswer,
        faults: ['account_not_found'],
      }),
      async (c) => c.json(renderForecast(await usage.forecast(c.var.input.path.account))),
    );
