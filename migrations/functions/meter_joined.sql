-- meter_joined gives charges of staged runs the hours that nobody could tell when they were charged, from what the accounting says
-- the runs had (see meter_run). A statement of its own, for the charges may be other accounts' than the staged runs'.
create function ledger.meter_joined(p_cluster_no int) returns bigint
language plpgsql volatile
as $$
declare
  v_count bigint := 0;
  v_run ledger.imported_runs;
begin
  perform ledger.lock_tree(array(
    select distinct c.account_no
    from ledger.run_rows r
    join ledger.imported_runs i on i.cluster_no = p_cluster_no
      and (i.job_id, i.submitted_at, i.started_at) = (r.job_id, r.submitted_at, r.started_at)
    join ledger.charges c on c.charge_no = i.charge_no
    where c.metered_until is null));
  for v_run in
    select i.* from ledger.run_rows r
    join ledger.imported_runs i on i.cluster_no = p_cluster_no
      and (i.job_id, i.submitted_at, i.started_at) = (r.job_id, r.submitted_at, r.started_at)
    join ledger.charges c on c.charge_no = i.charge_no
    where c.metered_until is null and i.ended_at > i.started_at
  loop
    perform ledger.meter_run(v_run.charge_no, ledger.slices_of_run(v_run));
    v_count := v_count + 1;
  end loop;
  return v_count;
end;
$$;
