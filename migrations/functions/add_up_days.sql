-- add_up_days figures the days from p_from to the one before p_until anew, of the runs of a cluster that have no charge. Whoever
-- charges one of these runs meanwhile waits (forget_run), for as long as that takes: callers come with a month at a time.
create function ledger.add_up_days(p_cluster_no int, p_from date, p_until date) returns void
language plpgsql volatile
set jit = off
as $$
declare
  v_zone text;
  v_from timestamptz;
  v_until timestamptz;
begin
  select time_zone into strict v_zone from ledger.imported_clusters where cluster_no = p_cluster_no for update;
  v_from := ledger.day_starts_at(p_from, v_zone);
  v_until := ledger.day_starts_at(p_until, v_zone);
  delete from ledger.imported_days where cluster_no = p_cluster_no and on_day >= p_from and on_day < p_until;
  insert into ledger.imported_days (
    cluster_no, on_day, account_no, partition, user_name, jobs, cpu_micros, gpu_micros, node_micros, mib_micros)
  with run as (
    select i.*, i.ended_at - i.started_at as lasted, (i.started_at at time zone v_zone)::date as first_day,
      (greatest(i.started_at, i.ended_at - interval '1 microsecond') at time zone v_zone)::date as last_day,
      (i.ended_at at time zone v_zone)::date as end_day
    from ledger.imported_runs i
    where i.cluster_no = p_cluster_no and i.charge_no is null and i.started_at < v_until and i.ended_at >= v_from
  ), part as (
    -- Nearly every run lies within a day.
    select first_day as on_day, account_no, partition, user_name, 1::bigint as jobs, cpus * active_micros as cpu,
      gpus * round(date_part('epoch', lasted) * 1000000)::bigint as gpu, nodes * active_micros as node,
      memory_mib * round(date_part('epoch', lasted) * 1000000)::bigint as mib
    from run where first_day = end_day
    union all
    select d.on_day, r.account_no, r.partition, r.user_name, d.jobs, d.cpu_micros, d.gpu_micros, d.node_micros, d.mib_micros
    from run r
    cross join lateral (select i.* from ledger.imported_runs i
      where (i.cluster_no, i.job_id, i.submitted_at, i.started_at) = (r.cluster_no, r.job_id, r.submitted_at, r.started_at)) i
    cross join lateral ledger.days_of_run(i, v_zone) d
    where r.first_day <> r.end_day
  )
  select p_cluster_no, on_day, account_no, partition, user_name, sum(jobs), sum(cpu), sum(gpu), sum(node), sum(mib)
  from part where on_day >= p_from and on_day < p_until
  group by on_day, account_no, partition, user_name;
end;
$$;
