-- book_runs keeps the staged runs of one cluster (ledger.run_rows) that are not kept yet, and says how many. The first record of a
-- run wins; the same again changes nothing.
--
-- Commit it before join_charges: then whoever charges one of these runs meanwhile either finds it here, or is found there.
create function ledger.book_runs(p_cluster_no int, p_import_no bigint) returns bigint
language plpgsql volatile
as $$
declare
  v_fresh bigint;
begin
  insert into ledger.imported_runs (
    cluster_no, job_id, submitted_at, started_at, ended_at, account_no, partition, user_name, end_state,
    nodes, cpus, gpus, memory_mib, active_micros, import_no)
  select p_cluster_no, job_id, submitted_at, started_at, ended_at, account_no, partition, user_name, end_state,
    nodes, cpus, gpus, memory_mib, active_micros, p_import_no
  from ledger.run_rows
  on conflict (cluster_no, job_id, submitted_at, started_at) do nothing;
  get diagnostics v_fresh = row_count;
  if v_fresh > 0 then perform ledger.mark_stale(p_cluster_no); end if;
  return v_fresh;
end;
$$;
