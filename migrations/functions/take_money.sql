-- take_money is a withdrawal: available -> outside. The caller holds the tree's lock.
create function ledger.take_money(
  p_account ledger.accounts, p_fund_no bigint, p_amount_micro bigint, p_actor text, p_description text
) returns bigint
language plpgsql volatile
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_fund_nos bigint[];
  v_parts bigint[];
  v_txn_no bigint;
begin
  select array_agg(fund_no), array_agg(part_micro) into v_fund_nos, v_parts
  from ledger.plan_taking(p_account, p_fund_no, p_amount_micro, v_now);

  v_txn_no := ledger.write_transaction('withdrawal', p_account.account_no, p_amount_micro, p_actor, p_description, v_now);
  insert into ledger.entries (txn_no, line_no, account_no, fund_no, book, amount_micro)
  select v_txn_no, row_number() over (order by part.place, line.book), p_account.account_no, part.fund_no, line.book, line.sign * part.amount
  from unnest(v_fund_nos, v_parts) with ordinality as part (fund_no, amount, place)
  cross join (values ('a'::"char", -1), ('x'::"char", 1)) as line (book, sign);
  update ledger.funds f set granted_micro = f.granted_micro - part.amount
  from unnest(v_fund_nos, v_parts) as part (fund_no, amount)
  where f.fund_no = part.fund_no;
  perform ledger.move_totals(p_account.account_no, -p_amount_micro, 0, 0);
  return v_txn_no;
end;
$$;
