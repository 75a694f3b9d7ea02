-- staged_runs are the runs that wait to be kept (ledger.run_rows), as they are kept; without components of heterogeneous jobs that
-- are kept already under their other name.
create function ledger.staged_runs(p_cluster_no int, p_import_no bigint) returns setof ledger.imported_runs
language sql stable
as $$
  select p_cluster_no, job_id, submitted_at, started_at, ended_at, account_no, partition, user_name, end_state,
    nodes::numeric, cpus::numeric, gpus::numeric, memory_mib::numeric, active_micros, null::bigint, p_import_no, other_id
  from ledger.run_rows r
  where other_id is null or not exists (
    select from ledger.imported_runs i
    where (i.cluster_no, i.other_id, i.submitted_at, i.started_at) = (p_cluster_no, r.job_id, r.submitted_at, r.started_at))
$$;
