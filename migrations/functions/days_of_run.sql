-- days_of_run is what an imported run used on each day of a zone, as the reports that read runs have it: cut by differences of the
-- cumulative time, and the job counted on the day in which it ended.
create function ledger.days_of_run(p_run ledger.imported_runs, p_time_zone text)
returns table (on_day date, jobs bigint, cpu_micros numeric, gpu_micros numeric, node_micros numeric, mib_micros numeric)
language sql stable
as $$
  select (p_run.ended_at at time zone p_time_zone)::date, 1::bigint, 0::numeric, 0::numeric, 0::numeric, 0::numeric
  union all
  select day.on_day::date, 0, p_run.cpus * cut.active, p_run.gpus * cut.whole, p_run.nodes * cut.active, p_run.memory_mib * cut.whole
  from generate_series((p_run.started_at at time zone p_time_zone)::date,
    (greatest(p_run.started_at, p_run.ended_at - interval '1 microsecond') at time zone p_time_zone)::date, interval '1 day') as day (on_day)
  cross join lateral (
    select ledger.day_starts_at(day.on_day::date, p_time_zone) as starts_at, ledger.day_starts_at(day.on_day::date + 1, p_time_zone) as ends_at) d
  cross join lateral (
    select ledger.active_between(p_run.active_micros, p_run.started_at, p_run.ended_at, d.starts_at, d.ends_at) as active,
      round(date_part('epoch', least(p_run.ended_at, d.ends_at) - greatest(p_run.started_at, d.starts_at)) * 1000000)::bigint as whole) cut
$$;
