-- adjust_charge changes a charge by a signed amount, visibly: a transaction of its own, pieces of its own. More is drawn
-- like the charge itself (see draw_charge), less goes back (see give_back); never below what was refunded already.
-- Returns the number of the adjustment. The caller holds the tree's lock.
create function ledger.adjust_charge(
  p_charge_no bigint, p_delta_micro bigint, p_pieces jsonb, p_from_all boolean, p_description text, p_actor text, p_now timestamptz
) returns bigint
language plpgsql volatile
as $$
declare
  v_charge ledger.charges;
  v_hold ledger.holds;
  v_counted_at timestamptz;
  v_txn_no bigint;
begin
  select * into strict v_charge from ledger.charges where charge_no = p_charge_no;
  select * into v_hold from ledger.holds where hold_no = v_charge.hold_no;
  v_counted_at := ledger.charge_counted_at(v_charge);
  if v_charge.amount_micro + v_charge.adjusted_micro + p_delta_micro < v_charge.refunded_micro then
    perform ledger.fail('refund_exceeds_charge',
      format('The charge is %s and %s of it was refunded; it cannot be lowered by %s.',
        ledger.decimal_of(v_charge.amount_micro + v_charge.adjusted_micro), ledger.decimal_of(v_charge.refunded_micro), ledger.decimal_of(-p_delta_micro)),
      jsonb_build_object('charge', ledger.decimal_of(v_charge.amount_micro + v_charge.adjusted_micro),
        'refunded', ledger.decimal_of(v_charge.refunded_micro), 'requested', ledger.decimal_of(p_delta_micro)));
  end if;

  v_txn_no := ledger.write_transaction('adjustment', v_charge.account_no, p_delta_micro, p_actor, p_description, p_now,
    v_charge.hold_no, p_charge_no);
  if p_delta_micro > 0 then
    perform ledger.draw_charge(v_txn_no, p_charge_no, v_charge.account_no, v_hold, v_charge.partition, v_charge.user_name,
      v_counted_at, p_pieces, p_actor);
  elsif p_delta_micro < 0 then
    perform ledger.give_back(v_txn_no, v_charge, v_counted_at, -p_delta_micro, p_from_all);
  end if;
  update ledger.charges set adjusted_micro = adjusted_micro + p_delta_micro where charge_no = p_charge_no;
  update ledger.holds set charged_micro = charged_micro + p_delta_micro where hold_no = v_charge.hold_no;
  return v_txn_no;
end;
$$;
