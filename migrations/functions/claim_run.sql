-- claim_run finds the imported run that a new charge is about, with its parts where the job was resized, so that reports count it
-- once, by the charge; and gives the charge the hours that the import knows where its own are unknown. The caller holds the tree's
-- lock.
create function ledger.claim_run(p_charge_no bigint) returns void
language plpgsql volatile
as $$
declare
  v_run ledger.imported_runs;
  v_slices jsonb := '[]';
begin
  for v_run in
    with candidate as (
      select i as run, c.started_at as charged_from,
        ledger.is_same_run(c.run_key, c.started_at, t.effective_at, i.submitted_at, i.started_at, i.ended_at) as is_same,
        i.started_at = i.submitted_at and ledger.is_part_of_run(c.started_at, c.ended_at, i.started_at, i.ended_at) as is_part
      from ledger.charges c join ledger.transactions t on t.txn_no = c.charge_no
      cross join lateral substring(c.run_key from '^[^/]*/(.+)/[^/]*/[^/]*$') as named
      join ledger.imported_runs i on i.cluster_no = c.cluster_no and (i.job_id = named or i.other_id = named)
      where c.charge_no = p_charge_no and i.charge_no is null
    ), same as (
      select run from candidate where is_same
      order by abs(extract(epoch from charged_from - (run).started_at)) nulls last, (run).started_at
      limit 1
    )
    select (run).* from (select run from same union select run from candidate where is_part) found order by (run).started_at
  loop
    update ledger.imported_runs set charge_no = p_charge_no
    where (cluster_no, job_id, submitted_at, started_at) = (v_run.cluster_no, v_run.job_id, v_run.submitted_at, v_run.started_at);
    perform ledger.forget_run(v_run);
    if v_run.ended_at > v_run.started_at then v_slices := v_slices || ledger.slices_of_run(v_run); end if;
  end loop;
  if v_slices <> '[]' then perform ledger.meter_run(p_charge_no, v_slices); end if;
end;
$$;
