-- refund gives back part of a charge, never more than the charge itself, however many refunds there are.
--
-- Idempotent by the caller's key. The money returns to the funds that paid, the last piece first. The test is made under
-- the tree's lock, so two refunds racing for the last cent cannot both pass it; charges_never_refunded_beyond_themselves
-- says the same thing again.
create function ledger.refund(
  p_transaction_id text, p_amount_micro bigint, p_description text, p_principal text, p_key text, p_body_hash bytea
) returns jsonb
language plpgsql volatile
as $$
declare
  v_charge ledger.charges := ledger.lock_charge(p_transaction_id);
  v_answer jsonb := ledger.replayed(p_principal, 'refund', p_key, p_body_hash);
  v_left bigint := v_charge.amount_micro + v_charge.adjusted_micro - v_charge.refunded_micro;
  v_txn_no bigint;
begin
  if v_answer is not null then return v_answer; end if;
  if p_amount_micro <= 0 then perform ledger.fail('malformed_request', 'A refund is more than zero.', jsonb_build_object('pointer', '/amount')); end if;
  if p_amount_micro > v_left then
    perform ledger.fail('refund_exceeds_charge',
      format('%s of the charge is left to be refunded, not %s.', ledger.decimal_of(v_left), ledger.decimal_of(p_amount_micro)),
      jsonb_build_object('charge', ledger.decimal_of(v_charge.amount_micro + v_charge.adjusted_micro),
        'refunded', ledger.decimal_of(v_charge.refunded_micro), 'refundable', ledger.decimal_of(v_left), 'requested', ledger.decimal_of(p_amount_micro)));
  end if;

  v_txn_no := ledger.write_transaction('refund', v_charge.account_no, p_amount_micro, p_principal, p_description,
    clock_timestamp(), v_charge.hold_no, v_charge.charge_no);
  perform ledger.give_back(v_txn_no, v_charge, ledger.charge_counted_at(v_charge), p_amount_micro, false);
  update ledger.charges set refunded_micro = refunded_micro + p_amount_micro where charge_no = v_charge.charge_no;
  perform ledger.note_refund(v_txn_no, v_charge);
  return ledger.remember(p_principal, 'refund', p_key, p_body_hash, jsonb_build_object('txn_no', v_txn_no));
end;
$$;
