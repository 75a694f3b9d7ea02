-- lock_charge finds a charge by its transaction's id, takes its tree's mutex, and returns it as it is under the lock.
create function ledger.lock_charge(p_transaction_id text) returns ledger.charges
language plpgsql volatile
as $$
declare
  v_charge ledger.charges;
  v_kind text;
begin
  select c.* into v_charge
  from ledger.transactions t join ledger.charges c on c.charge_no = t.txn_no
  where t.transaction_id = p_transaction_id;
  if not found then
    select kind into v_kind from ledger.transactions where transaction_id = p_transaction_id;
    if v_kind is null and exists (select from ledger.holds where hold_id = p_transaction_id) then v_kind := 'hold'; end if;
    perform ledger.fail('transaction_not_found', case
      when v_kind is null then format('There is no transaction %s.', p_transaction_id)
      else format('Transaction %s is a %s; give the id of a charge.', p_transaction_id, v_kind) end,
      jsonb_build_object('transaction_id', p_transaction_id, 'kind', v_kind));
  end if;
  perform ledger.lock_tree(v_charge.account_no);
  select * into strict v_charge from ledger.charges where charge_no = v_charge.charge_no;
  return v_charge;
end;
$$;
