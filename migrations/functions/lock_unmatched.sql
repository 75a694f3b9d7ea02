-- lock_unmatched gives the report of that number to its caller alone, with the lock of its job, which comes first wherever
-- both are taken.
create function ledger.lock_unmatched(p_unmatched_no bigint) returns ledger.unmatched
language plpgsql volatile
as $$
declare
  v_report ledger.unmatched;
begin
  select * into v_report from ledger.unmatched where unmatched_no = p_unmatched_no;
  if not found then
    perform ledger.fail('unmatched_not_found', format('There is no unmatched report %s.', p_unmatched_no),
      jsonb_build_object('unmatched_id', p_unmatched_no));
  end if;
  perform pg_advisory_xact_lock(ledger.job_lock(v_report.cluster_no, v_report.job_id));
  select * into strict v_report from ledger.unmatched where unmatched_no = p_unmatched_no for update;
  return v_report;
end;
$$;
