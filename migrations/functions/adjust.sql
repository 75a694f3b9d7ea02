-- adjust changes a charge by a signed amount, because somebody decided so. More is drawn as if it had been used evenly over
-- the run; less returns to the funds that paid, the last piece first. Never below what was refunded.
--
-- Idempotent by the caller's key. Racing with a refund or another adjustment, one goes first under the tree's lock and the
-- other is tested against what it left.
create function ledger.adjust(
  p_transaction_id text, p_amount_micro bigint, p_description text, p_principal text, p_key text, p_body_hash bytea
) returns jsonb
language plpgsql volatile
as $$
declare
  v_charge ledger.charges := ledger.lock_charge(p_transaction_id);
  v_answer jsonb := ledger.replayed(p_principal, 'adjust', p_key, p_body_hash);
  v_pieces jsonb;
  v_txn_no bigint;
begin
  if v_answer is not null then return v_answer; end if;
  if p_amount_micro = 0 then perform ledger.fail('malformed_request', 'An adjustment is not zero.', jsonb_build_object('pointer', '/amount')); end if;
  if v_charge.amount_micro + v_charge.adjusted_micro + p_amount_micro >= 8589934592000000 then
    perform ledger.fail('malformed_request', 'The cost of a run stays below 8589934592 (2^33).', jsonb_build_object('pointer', '/amount'));
  end if;

  select jsonb_build_array(jsonb_build_object(
    'starts_at', coalesce(min(starts_at), v_charge.started_at, ledger.charge_counted_at(v_charge)),
    'ends_at', coalesce(max(ends_at), v_charge.ended_at, v_charge.started_at, ledger.charge_counted_at(v_charge)),
    'amount_micro', p_amount_micro::text))
  into v_pieces
  from ledger.charge_pieces where charge_no = v_charge.charge_no;

  v_txn_no := ledger.adjust_charge(v_charge.charge_no, p_amount_micro, v_pieces, false, p_description, p_principal, clock_timestamp());
  return ledger.remember(p_principal, 'adjust', p_key, p_body_hash, jsonb_build_object('txn_no', v_txn_no));
end;
$$;
