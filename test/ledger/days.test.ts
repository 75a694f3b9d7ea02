/** PostgreSQL and the date library agree on when a day begins, also where midnight comes twice or not at all. */
import { addDays, startOfDay } from '../../domain/time';
import { freshDatabase } from '../helpers/database';

test.each(['America/Havana', 'America/Sao_Paulo', 'Asia/Beirut', 'Australia/Lord_Howe', 'Pacific/Apia', 'UTC'])(
  'days of %s',
  async (zone) => {
    await using database = await freshDatabase();
    const expected: string[] = [];
    for (let day = '2016-10-01'; day < '2018-12-01'; day = addDays(day, 1)) expected.push(startOfDay(day, zone));
    const days = await database.sql<{ at: string }[]>`
      select ledger.day_starts_at(day::date, ${zone}) as at
      from generate_series(date '2016-10-01', date '2018-11-30', interval '1 day') day order by day`;
    expect(days.map(({ at }) => at)).toEqual(expected);
  },
);
