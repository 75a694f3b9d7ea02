-- put_money is a deposit into one fund: outside -> available. The caller holds the tree's lock.
create function ledger.put_money(
  p_account_no bigint, p_fund_no bigint, p_amount_micro bigint, p_actor text, p_description text, p_effective_at timestamptz
) returns bigint
language plpgsql volatile
as $$
declare
  v_txn_no bigint := ledger.write_transaction('deposit', p_account_no, p_amount_micro, p_actor, p_description, p_effective_at);
begin
  insert into ledger.entries (txn_no, line_no, account_no, fund_no, book, amount_micro) values
    (v_txn_no, 1, p_account_no, p_fund_no, 'a', p_amount_micro),
    (v_txn_no, 2, p_account_no, p_fund_no, 'x', -p_amount_micro);
  update ledger.funds set granted_micro = granted_micro + p_amount_micro where fund_no = p_fund_no;
  perform ledger.move_totals(p_account_no, p_amount_micro, 0, 0);
  perform ledger.flag_overspending(p_account_no);
  return v_txn_no;
end;
$$;
