-- join_charges finds the charges of staged runs (ledger.run_rows) that Bursar has charged by itself, so that reports count each run
-- once: by its charge. Says how many of the staged runs have one.
--
-- It holds the locks of their trees for as long as it looks: a charge that is being written is waited for, and one that comes later
-- finds the run, which was committed before (claim_run).
create function ledger.join_charges(p_cluster_no int) returns bigint
language plpgsql volatile
as $$
declare
  v_found boolean;
  v_cluster constant text := (select name from ledger.clusters where cluster_no = p_cluster_no);
begin
  perform ledger.lock_tree(array(select distinct account_no from ledger.run_rows));
  if not exists (select from ledger.charges where cluster_no = p_cluster_no) then return 0; end if;

  update ledger.imported_runs i set charge_no = paid.charge_no
  from ledger.run_rows r
  cross join lateral (
    select c.charge_no from ledger.charges c
    where c.run_key = any (array[
      ledger.run_key_of(v_cluster, r.job_id, r.submitted_at, r.started_at),
      ledger.run_key_of(v_cluster, r.other_id, r.submitted_at, r.started_at)])
    limit 1) paid
  where i.cluster_no = p_cluster_no and i.charge_no is null
    and (i.job_id, i.submitted_at, i.started_at) = (r.job_id, r.submitted_at, r.started_at);
  v_found := found;

  -- One charge is one run's: the nearest, and only where no other run has it by its key.
  update ledger.imported_runs i set charge_no = paid.charge_no
  from (
    select distinct on (near.charge_no) near.charge_no, r.job_id, r.submitted_at, r.started_at
    from ledger.run_rows r
    join ledger.imported_runs own on own.cluster_no = p_cluster_no and own.charge_no is null
      and (own.job_id, own.submitted_at, own.started_at) = (r.job_id, r.submitted_at, r.started_at)
    cross join lateral (
      select c.charge_no, abs(extract(epoch from c.started_at - r.started_at)) as apart
      from unnest(array[r.job_id, r.other_id]) as named (job_id)
      join ledger.charges c
        on c.run_key >= v_cluster || '/' || named.job_id || '/' and c.run_key < v_cluster || '/' || named.job_id || '0'
      join ledger.transactions t on t.txn_no = c.charge_no
      where ledger.is_same_run(c.run_key, c.started_at, t.effective_at, r.submitted_at, r.started_at, r.ended_at)
        and not exists (select from ledger.imported_runs other where other.charge_no = c.charge_no)
      order by apart nulls last limit 1) near
    order by near.charge_no, near.apart nulls last, r.started_at) paid
  where i.cluster_no = p_cluster_no
    and (i.job_id, i.submitted_at, i.started_at) = (paid.job_id, paid.submitted_at, paid.started_at);
  v_found := v_found or found;

  -- What a job used at its second size and later ones is a part of the run that Bursar followed. It begins when the row was made.
  update ledger.imported_runs i set charge_no = paid.charge_no
  from ledger.run_rows r
  cross join lateral (
    select c.charge_no
    from unnest(array[r.job_id, r.other_id]) as named (job_id)
    join ledger.charges c
      on c.run_key >= v_cluster || '/' || named.job_id || '/' and c.run_key < v_cluster || '/' || named.job_id || '0'
    where ledger.is_part_of_run(c.started_at, c.ended_at, r.started_at, r.ended_at)
    limit 1) paid
  where r.started_at = r.submitted_at and i.cluster_no = p_cluster_no and i.charge_no is null
    and (i.job_id, i.submitted_at, i.started_at) = (r.job_id, r.submitted_at, r.started_at);
  if v_found or found then perform ledger.mark_stale(p_cluster_no); end if;

  return (
    select count(*) from ledger.run_rows r
    join ledger.imported_runs i on i.cluster_no = p_cluster_no
      and (i.job_id, i.submitted_at, i.started_at) = (r.job_id, r.submitted_at, r.started_at)
    where i.charge_no is not null);
end;
$$;
