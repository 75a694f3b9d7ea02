-- move_base_window gives the base fund the account's new window. What had expired with the old window comes back where the
-- new one is still open: an extension a day late takes nobody's money. The caller holds the tree's lock.
create function ledger.move_base_window(p_account_no bigint, p_starts_at timestamptz, p_ends_at timestamptz, p_actor text) returns void
language plpgsql volatile
as $$
declare
  v_fund ledger.funds;
  v_txn_no bigint;
begin
  update ledger.funds set opens_at = p_starts_at, closes_at = p_ends_at
  where account_no = p_account_no and source = 'base'
  returning * into strict v_fund;
  if v_fund.expired_micro = 0 or p_ends_at <= clock_timestamp() then return; end if;

  v_txn_no := ledger.write_transaction('expiry', p_account_no, -v_fund.expired_micro, p_actor,
    'Expiry reversed: the account''s end was moved', clock_timestamp());
  insert into ledger.entries (txn_no, line_no, account_no, fund_no, book, amount_micro) values
    (v_txn_no, 1, p_account_no, v_fund.fund_no, 'e', -v_fund.expired_micro),
    (v_txn_no, 2, p_account_no, v_fund.fund_no, 'a', v_fund.expired_micro);
  update ledger.funds set granted_micro = granted_micro + expired_micro, expired_micro = 0 where fund_no = v_fund.fund_no;
  perform ledger.move_totals(p_account_no, v_fund.expired_micro, 0, 0);
end;
$$;
