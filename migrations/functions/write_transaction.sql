-- write_transaction records that money moved, and why; its lines are written beside it by the movement itself.
create function ledger.write_transaction(
  p_kind text, p_account_no bigint, p_amount_micro bigint, p_actor text, p_description text, p_effective_at timestamptz,
  p_hold_no bigint default null, p_charge_no bigint default null, p_other_account_no bigint default null, p_metadata jsonb default null
) returns bigint
language plpgsql volatile
as $$
declare
  v_txn_no bigint := ledger.next_txn_no();
begin
  insert into ledger.transactions (
    txn_no, transaction_id, kind, account_no, hold_no, charge_no, other_account_no, amount_micro, actor, description, metadata,
    effective_at, recorded_at)
  values (
    v_txn_no, ledger.new_id('txn'), p_kind, p_account_no, p_hold_no, p_charge_no, p_other_account_no, p_amount_micro, p_actor,
    coalesce(p_description, ''), p_metadata, p_effective_at, clock_timestamp());
  return v_txn_no;
end;
$$;
