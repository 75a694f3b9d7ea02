-- resolve_unmatched gives a report to the hold that somebody names, or charges an account without one: then a late hold of
-- nothing is opened for it (adopt_job). Its events become those of the hold's job, and its story does the rest.
--
-- Idempotent by the caller's key. Racing with another call or with the binding of the job, one closes the report and the
-- others find it closed. Returns {hold_id}.
create function ledger.resolve_unmatched(
  p_unmatched_no bigint, p_hold_id text, p_account text, p_new_hold_id text, p_reason text,
  p_principal text, p_key text, p_body_hash bytea
) returns jsonb
language plpgsql volatile
as $$
declare
  v_report ledger.unmatched := ledger.lock_unmatched(p_unmatched_no);
  v_answer jsonb := ledger.replayed(p_principal, 'resolve_unmatched', p_key, p_body_hash);
  v_hold ledger.holds;
  v_hold_no bigint;
  v_receipts jsonb;
begin
  if v_answer is not null then return v_answer; end if;

  if p_hold_id is null then
    v_hold_no := case when v_report.status = 'waiting' then ledger.adopt_job(p_new_hold_id, p_account, v_report.cluster_no,
      v_report.partition, v_report.user_name, v_report.job_id,
      coalesce(v_report.submitted_at, v_report.not_after, v_report.received_at), p_principal) end;
    if v_hold_no is null and v_report.status = 'waiting' then
      perform ledger.fail('account_not_found', format('There is no account "%s".', p_account), jsonb_build_object('account', p_account));
    end if;
  else
    select * into v_hold from ledger.holds where hold_id = p_hold_id and cluster_no = v_report.cluster_no;
    if not found and exists (select from ledger.transactions where transaction_id = p_hold_id) then
      perform ledger.fail('not_a_hold', 'Transaction is not a hold transaction', jsonb_build_object('transaction_id', p_hold_id));
    elsif not found then
      perform ledger.fail('hold_not_found', format('There is no hold %s on the cluster of the report.', p_hold_id),
        jsonb_build_object('transaction_id', p_hold_id));
    end if;
    v_hold_no := v_hold.hold_no;
  end if;
  perform ledger.close_unmatched(v_report, 'resolved', v_hold_no, p_reason, p_principal);
  select * into strict v_hold from ledger.holds where hold_no = v_hold_no;

  if exists (select from ledger.jobs j where j.hold_no = v_hold_no and j.job_id <> v_report.job_id) then
    perform ledger.fail('hold_taken', format('Hold %s is that of another job.', v_hold.hold_id),
      jsonb_build_object('transaction_id', v_hold.hold_id));
  end if;
  select ledger.record_events(
    jsonb_agg(ledger.with_allocated(e.event, v_hold_no) || jsonb_build_object('hold_id', v_hold.hold_id) order by e.place),
    p_principal, p_principal)
  into v_receipts
  from jsonb_array_elements(v_report.events) with ordinality as e (event, place);
  if v_receipts #>> '{0,holdId}' is distinct from v_hold.hold_id then
    perform ledger.fail('hold_taken',
      format('Job %s has the hold %s already; resolve the report with that one.', v_report.job_id, v_receipts #>> '{0,holdId}'),
      jsonb_build_object('transaction_id', v_receipts #>> '{0,holdId}'));
  end if;
  return ledger.remember(p_principal, 'resolve_unmatched', p_key, p_body_hash, jsonb_build_object('hold_id', v_hold.hold_id));
end;
$$;
