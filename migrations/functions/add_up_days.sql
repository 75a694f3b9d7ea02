-- add_up_days figures the days from p_from to the one before p_until anew, of the runs of a cluster that have no charge. Whoever
-- charges one of these runs meanwhile waits (forget_run), for as long as that takes: callers come with a month at a time, and with
-- several months side by side. So the lock is of the table, in a mode that those who add up share and those who take off do not.
create function ledger.add_up_days(p_cluster_no int, p_from date, p_until date) returns void
language plpgsql volatile
set jit = off
set work_mem = '64MB'
as $$
declare
  v_zone text;
  v_from timestamptz;
  v_until timestamptz;
begin
  lock table ledger.imported_clusters in share mode;
  select time_zone into strict v_zone from ledger.imported_clusters where cluster_no = p_cluster_no;
  v_from := ledger.day_starts_at(p_from, v_zone);
  v_until := ledger.day_starts_at(p_until, v_zone);
  delete from ledger.imported_days where cluster_no = p_cluster_no and on_day >= p_from and on_day < p_until;
  insert into ledger.imported_days (
    cluster_no, on_day, account_no, partition, user_name, jobs, cpu_micros, gpu_micros, node_micros, mib_micros)
  with run as (
    select i.*, (i.started_at at time zone v_zone)::date as first_day, (i.ended_at at time zone v_zone)::date as end_day
    from ledger.imported_runs i
    where i.cluster_no = p_cluster_no and i.charge_no is null and i.started_at < v_until and i.ended_at >= v_from
  ), spread as (
    -- In the list, not joined: a function that is joined fills a store of its own for each run, which took half of all the time.
    select run.*, first_day + generate_series(0, end_day - first_day) as on_day from run
  ), day as materialized (
    select g.on_day::date, ledger.day_starts_at(g.on_day::date, v_zone) as starts_at,
      ledger.day_starts_at(g.on_day::date + 1, v_zone) as ends_at
    from generate_series(p_from, p_until - 1, interval '1 day') as g (on_day)
  ), part as (
    -- Most runs lie within a day; the others are cut as days_of_run cuts one.
    select on_day, account_no, partition, user_name, nodes, cpus, gpus, memory_mib, (on_day = end_day)::int as jobs,
      case when first_day = end_day then active_micros
        else ledger.active_between(active_micros, started_at, ended_at, day.starts_at, day.ends_at) end as active,
      round(date_part('epoch', least(ended_at, day.ends_at) - greatest(started_at, day.starts_at)) * 1000000)::bigint as whole
    from spread join day using (on_day)
  )
  select p_cluster_no, on_day, account_no, partition, user_name, sum(jobs), sum(cpus * active), sum(gpus * whole), sum(nodes * active),
    sum(memory_mib * whole)
  from part group by on_day, account_no, partition, user_name;
end;
$$;
