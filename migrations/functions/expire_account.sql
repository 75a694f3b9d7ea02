-- expire_account takes the free money of closed funds out of an account, soonest-closed first, but leaves what covers the
-- account's debt: a balance is the same before and after. Held money stays until it is charged or released (rulings 7).
-- Returns how many funds lost money. The caller holds the tree's lock.
create function ledger.expire_account(p_account_no bigint, p_now timestamptz, p_actor text) returns int
language plpgsql volatile
as $$
declare
  v_fund record;
  v_due bigint;
  v_take bigint;
  v_txn_no bigint;
  v_funds int := 0;
begin
  select greatest(0,
    coalesce(sum(granted_micro - settled_micro - held_micro) filter (where source <> 'overdraft' and closes_at <= p_now), 0)
    - coalesce(sum(settled_micro + held_micro) filter (where source = 'overdraft'), 0))
  into v_due
  from ledger.funds where account_no = p_account_no;

  for v_fund in
    select fund_no, label, closes_at, granted_micro - settled_micro - held_micro as free
    from ledger.funds
    where account_no = p_account_no and source <> 'overdraft' and closes_at <= p_now
      and granted_micro > settled_micro + held_micro
    order by closes_at, fund_no
  loop
    exit when v_due = 0;
    v_take := least(v_fund.free, v_due);
    v_due := v_due - v_take;
    v_txn_no := ledger.write_transaction('expiry', p_account_no, v_take, p_actor,
      case when v_fund.label = '' then 'Expired' else format('Expired: %s', v_fund.label) end, v_fund.closes_at);
    insert into ledger.entries (txn_no, line_no, account_no, fund_no, book, amount_micro) values
      (v_txn_no, 1, p_account_no, v_fund.fund_no, 'a', -v_take),
      (v_txn_no, 2, p_account_no, v_fund.fund_no, 'e', v_take);
    update ledger.funds set granted_micro = granted_micro - v_take, expired_micro = expired_micro + v_take
    where fund_no = v_fund.fund_no;
    perform ledger.move_totals(p_account_no, -v_take, 0, 0);
    v_funds := v_funds + 1;
  end loop;
  return v_funds;
end;
$$;
