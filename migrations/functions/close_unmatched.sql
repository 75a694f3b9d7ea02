-- close_unmatched ends the waiting of a report and notes who did it, and why. The caller holds its lock.
create function ledger.close_unmatched(
  p_report ledger.unmatched, p_status text, p_hold_no bigint, p_reason text, p_principal text
) returns void
language plpgsql volatile
as $$
declare
  v_about constant jsonb := jsonb_strip_nulls(jsonb_build_object(
    'source', p_report.source, 'job_id', p_report.job_id, 'account', p_report.account_name,
    'cost_micro', p_report.cost_micro::text));
begin
  if p_report.status <> 'waiting' then
    perform ledger.fail('unmatched_closed',
      format('Report %s does not wait any more: it was %s by %s.', p_report.unmatched_no, p_report.status, p_report.closed_by),
      jsonb_build_object('unmatched_id', p_report.unmatched_no, 'status', p_report.status));
  end if;
  update ledger.unmatched
  set status = p_status, hold_no = p_hold_no, reason = p_reason, closed_by = p_principal, closed_at = clock_timestamp()
  where unmatched_no = p_report.unmatched_no;
  perform ledger.note_change('unmatched', p_report.unmatched_no::text, p_report.cluster_no,
    case p_status when 'dismissed' then 'dismiss_unmatched' else 'resolve_unmatched' end, p_principal,
    v_about || '{"status": "waiting"}',
    v_about || jsonb_strip_nulls(jsonb_build_object('status', p_status, 'reason', p_reason,
      'transaction_id', (select hold_id from ledger.holds where hold_no = p_hold_no))));
end;
$$;
