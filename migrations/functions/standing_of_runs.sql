-- standing_of_runs says of each staged run (ledger.run_rows) whether it was imported before, whether Bursar has charged it, and
-- whether a hold is open for its job, whose own story will charge it. A component of a heterogeneous job may be known by either of
-- its names; where the log does not say its own id the other is likely, not sure, so any hold that its job had keeps it.
create function ledger.standing_of_runs(p_cluster_no int)
returns table (place int, is_known boolean, is_charged boolean, is_followed boolean)
language sql stable
as $$
  select r.place, i.job_id is not null, i.charge_no is not null or exists (
      select from unnest(array[r.job_id, r.other_id]) as named (job_id)
      join ledger.charges c
        on c.run_key >= cluster.name || '/' || named.job_id || '/' and c.run_key < cluster.name || '/' || named.job_id || '0'
      join ledger.transactions t on t.txn_no = c.charge_no
      where ledger.is_same_run(c.run_key, c.started_at, t.effective_at, r.submitted_at, r.started_at, r.ended_at)
        and not exists (select from ledger.imported_runs other where other.charge_no = c.charge_no))
    or r.started_at = r.submitted_at and exists (
      select from unnest(array[r.job_id, r.other_id]) as named (job_id)
      join ledger.charges c
        on c.run_key >= cluster.name || '/' || named.job_id || '/' and c.run_key < cluster.name || '/' || named.job_id || '0'
      where ledger.is_part_of_run(c.started_at, c.ended_at, r.started_at, r.ended_at)),
    exists (
      select from ledger.jobs j join ledger.holds h using (hold_no)
      where j.cluster_no = p_cluster_no and j.job_id = any (array[substring(r.job_id from '^\d+'), substring(r.other_id from '^\d+')])
        -- Of a job that was resized the accounting says when, in place of when it was submitted.
        and (j.submitted_at is null or j.submitted_at = r.submitted_at or r.started_at = r.submitted_at and j.submitted_at < r.submitted_at)
        and (h.status = 'open' or r.job_id like '%+%'))
  from ledger.run_rows r
  cross join (select name from ledger.clusters where cluster_no = p_cluster_no) cluster
  left join lateral (
    select i.job_id, i.charge_no from ledger.imported_runs i
    where i.cluster_no = p_cluster_no and (i.job_id, i.submitted_at, i.started_at) = (r.job_id, r.submitted_at, r.started_at)
    union all
    select i.job_id, i.charge_no from ledger.imported_runs i
    where r.other_id is not null and i.cluster_no = p_cluster_no and (i.job_id = r.other_id or i.other_id = r.job_id)
      and (i.submitted_at, i.started_at) = (r.submitted_at, r.started_at)
    limit 1) i on true
$$;
