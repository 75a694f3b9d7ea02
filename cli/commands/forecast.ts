import type { Command } from 'commander';
import { path } from '../client';
import { FIELDS } from '../fields';
import { clockIn, money, moneyIn, period } from '../format';
import type { Act, Session } from '../session';
import { plural } from '../text';
import type { Forecast } from '../wire';

const METHODS = { rolling_mean: 'rolling mean', linear_regression: 'linear regression' } as const;

function showForecast(session: Session, forecast: Forecast): void {
  const { unit, sample_days: days } = forecast;
  const zone = session.zone(forecast.time_zone);
  session.line(session.paint('bold', `${forecast.account}, ${unit}, ${clockIn(forecast.as_of, zone)}`));
  session.fields([
    ['Spent so far', `${money(forecast.budget_used)} of ${moneyIn(forecast.budget_limit, unit)}`],
    ['Available', moneyIn(forecast.budget_available, unit)],
    ['Spent per day', moneyIn(forecast.burn_rate, unit)],
    ['Ends', `${clockIn(forecast.projected_end_date, zone)}, in ${plural(forecast.days_remaining, 'whole day')}`],
    ['Spent by then', moneyIn(forecast.projected_spend, unit)],
    ['Overrun', forecast.projected_overrun > 0 ? moneyIn(forecast.projected_overrun, unit) : undefined],
    ['Left over', forecast.projected_underrun > 0 ? moneyIn(forecast.projected_underrun, unit) : undefined],
    ['Runs out', clockIn(forecast.projected_depletion, zone)],
    ['Confidence', `${forecast.confidence} (0 to 1)`],
  ]);
  session.line();
  const looked =
    days === 0
      ? 'there is no whole day behind it yet'
      : `of ${plural(days, 'whole day')}, ${period(forecast.window_start, forecast.window_end, zone)} (${zone})`;
  session.say(`Method: ${METHODS[forecast.method]}: ${looked}. What running jobs have used so far is not in it.`);
  if (forecast.recommendation) session.say(session.paint('yellow', forecast.recommendation));
}

export function defineForecast(parent: Command, act: Act): void {
  parent
    .command('forecast')
    .summary("Where an account's money is going")
    .description(
      'Say where the money of an account, and of everything below it, is going: the mean of the last 30 whole days (or of all since it began), carried to its end.',
    )
    .argument('<account>', 'account name')
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar forecast climate\n  $ bursar forecast climate --json | jq .projected_depletion\n',
    )
    .action(
      act(async (session, account: string) => {
        const forecast = await session.client.get<Forecast>(path`/api/v1/accounts/${account}/forecast`);
        session.answer(forecast, () => showForecast(session, forecast), FIELDS.forecast);
      }),
    );
}
