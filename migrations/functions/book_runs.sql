-- book_runs keeps the staged runs of one cluster (ledger.run_rows) that are not kept yet, and says how many; and which of them the log
-- has named before, which are staged no longer (set_aside_repeats). The first record of a run wins; the same again changes nothing. A component of a heterogeneous job that another log called 123+1 gets its own id.
--
-- Commit it before join_charges: then whoever charges one of these runs meanwhile either finds it here, or is found there.
create function ledger.book_runs(
  p_cluster_no int, p_import_no bigint,
  out fresh bigint, out places int[], out cpu_seconds float8, out gpu_seconds float8, out node_seconds float8
)
language plpgsql volatile
as $$
begin
  if exists (select from ledger.run_rows where other_id is not null) then
    update ledger.imported_runs i set job_id = r.job_id, other_id = r.other_id
    from ledger.run_rows r
    where r.other_id like '%+%'
      and (i.cluster_no, i.job_id, i.submitted_at, i.started_at) = (p_cluster_no, r.other_id, r.submitted_at, r.started_at)
      and not exists (
        select from ledger.imported_runs own
        where (own.cluster_no, own.job_id, own.submitted_at, own.started_at) = (p_cluster_no, r.job_id, r.submitted_at, r.started_at));
  end if;
  -- Most chunks are all new. To look for each run before it is inserted costs as much as to insert it, so that is done only where
  -- one of them is known, or comes twice; nobody else inserts runs meanwhile.
  begin
    insert into ledger.imported_runs select * from ledger.staged_runs(p_cluster_no, p_import_no);
  exception when unique_violation then
    select * into places, cpu_seconds, gpu_seconds, node_seconds from ledger.set_aside_repeats(p_cluster_no, p_import_no);
    insert into ledger.imported_runs select * from ledger.staged_runs(p_cluster_no, p_import_no)
    on conflict (cluster_no, job_id, submitted_at, started_at) do nothing;
  end;
  get diagnostics fresh = row_count;
  if fresh > 0 then perform ledger.mark_stale(p_cluster_no); end if;
end;
$$;
