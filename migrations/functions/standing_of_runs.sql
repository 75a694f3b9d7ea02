-- standing_of_runs says of each staged run (ledger.run_rows) whether it was imported before, whether Bursar has charged it, and
-- whether a hold is open for its job, whose own story will charge it.
create function ledger.standing_of_runs(p_cluster_no int)
returns table (place int, is_known boolean, is_charged boolean, is_followed boolean)
language sql stable
as $$
  select r.place, i.job_id is not null, i.charge_no is not null or exists (
      select from ledger.charges c join ledger.transactions t on t.txn_no = c.charge_no
      where c.run_key >= cluster.name || '/' || r.job_id || '/' and c.run_key < cluster.name || '/' || r.job_id || '0'
        and ledger.is_same_run(c.run_key, c.started_at, t.effective_at, r.submitted_at, r.started_at, r.ended_at)
        and not exists (select from ledger.imported_runs other where other.charge_no = c.charge_no)),
    exists (
      select from ledger.jobs j join ledger.holds h using (hold_no)
      where j.cluster_no = p_cluster_no and j.job_id = substring(r.job_id from '^\d+')
        and (j.submitted_at is null or j.submitted_at = r.submitted_at) and h.status = 'open')
  from ledger.run_rows r
  cross join (select name from ledger.clusters where cluster_no = p_cluster_no) cluster
  left join lateral (
    select i.job_id, i.charge_no from ledger.imported_runs i
    where i.cluster_no = p_cluster_no and (i.job_id, i.submitted_at, i.started_at) = (r.job_id, r.submitted_at, r.started_at)
    limit 1) i on true
$$;
