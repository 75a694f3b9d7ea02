-- day_starts_at is the first moment of a day in a zone. Where the clocks are set back over midnight, midnight comes twice; it is the first.
create function ledger.day_starts_at(p_day date, p_time_zone text) returns timestamptz
language sql stable parallel safe
as $$
  select case when ((midnight - interval '1 hour') at time zone p_time_zone)::date = p_day then midnight - interval '1 hour' else midnight end
  from (select p_day::timestamp at time zone p_time_zone as midnight) m
$$;
