-- refund_imported_runs gives back what runs get that an import of an accounting log has charged, with what the log said as evidence;
-- all of them or none. Each: run_key, at, record, and what refund_share takes. Says how many got something, and how much together.
--
-- Of charges that are not an import's it touches none: a run that has a hold is refunded by its story. It may be repeated (see
-- refund_share). No user is told: such a run may have ended years ago.
create function ledger.refund_imported_runs(p_requests jsonb) returns table (refunded bigint, amount_micro bigint)
language plpgsql volatile
as $$
declare
  v_request jsonb;
  v_charge ledger.charges;
  v_txn_no bigint;
begin
  refunded := 0;
  amount_micro := 0;
  perform ledger.lock_tree(array(
    select distinct c.account_no from jsonb_array_elements(p_requests) as r (request)
    join ledger.charges c on c.run_key = r.request ->> 'run_key'));
  for v_request in select request from jsonb_array_elements(p_requests) as r (request) loop
    select * into v_charge from ledger.charges
    where run_key = v_request ->> 'run_key' and hold_no is null and usage ->> 'imported' = 'true';
    continue when not found;
    v_txn_no := ledger.refund_share(v_charge, v_request, null,
      jsonb_build_object('type', 'accounting', 'at', v_request -> 'at', 'recorded_at', clock_timestamp(),
        'record', v_request -> 'record'));
    continue when v_txn_no is null;
    refunded := refunded + 1;
    amount_micro := amount_micro + (select t.amount_micro from ledger.transactions t where t.txn_no = v_txn_no);
  end loop;
  return next;
end;
$$;
