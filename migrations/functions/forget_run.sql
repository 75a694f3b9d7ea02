-- forget_run takes an imported run, which has a charge now, off the days that it was added to. Days that are added up meanwhile are
-- waited for, or wait; those that have not been yet will leave it out.
create function ledger.forget_run(p_run ledger.imported_runs) returns void
language plpgsql volatile
as $$
declare
  v_zone text;
begin
  lock table ledger.imported_clusters in row exclusive mode;
  select time_zone into v_zone from ledger.imported_clusters where cluster_no = p_run.cluster_no;
  if not found then return; end if;
  update ledger.imported_days d
  set jobs = d.jobs - used.jobs, cpu_micros = d.cpu_micros - used.cpu, gpu_micros = d.gpu_micros - used.gpu,
    node_micros = d.node_micros - used.node, mib_micros = d.mib_micros - used.mib
  from (
    select on_day, sum(jobs) as jobs, sum(cpu_micros) as cpu, sum(gpu_micros) as gpu, sum(node_micros) as node, sum(mib_micros) as mib
    from ledger.days_of_run(p_run, v_zone) group by on_day) used
  where d.cluster_no = p_run.cluster_no and d.on_day = used.on_day and d.account_no = p_run.account_no
    and d.partition is not distinct from p_run.partition and d.user_name is not distinct from p_run.user_name;
end;
$$;
