-- dismiss_unmatched ends the waiting of a report that is about nothing of ours. Idempotent by the caller's key; another call
-- finds it closed.
create function ledger.dismiss_unmatched(
  p_unmatched_no bigint, p_reason text, p_principal text, p_key text, p_body_hash bytea
) returns jsonb
language plpgsql volatile
as $$
declare
  v_report ledger.unmatched := ledger.lock_unmatched(p_unmatched_no);
  v_answer jsonb := ledger.replayed(p_principal, 'dismiss_unmatched', p_key, p_body_hash);
begin
  if v_answer is not null then return v_answer; end if;
  perform ledger.close_unmatched(v_report, 'dismissed', null, p_reason, p_principal);
  return ledger.remember(p_principal, 'dismiss_unmatched', p_key, p_body_hash, jsonb_build_object('unmatched_no', p_unmatched_no::text));
end;
$$;
