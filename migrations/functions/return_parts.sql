-- return_parts moves an amount of a hold back from held to available, in the reverse order of drawing: the overdraft first,
-- then the fund that expires last. With the entries of the given transaction.
create function ledger.return_parts(p_txn_no bigint, p_hold_no bigint, p_account_no bigint, p_amount_micro bigint) returns void
language plpgsql volatile
as $$
declare
  v_fund_nos bigint[];
  v_parts bigint[];
begin
  with part as (
    select p.fund_no, p.held_micro, f.closes_at,
      coalesce(sum(p.held_micro) over (order by f.source = 'overdraft' desc, f.closes_at desc, f.fund_no desc
        rows between unbounded preceding and 1 preceding), 0)::bigint as before
    from ledger.hold_parts p join ledger.funds f using (fund_no)
    where p.hold_no = p_hold_no and p.held_micro > 0
  )
  select array_agg(fund_no order by before), array_agg(least(held_micro, p_amount_micro - before) order by before)
  into v_fund_nos, v_parts
  from part
  where before < p_amount_micro;

  update ledger.funds f
  set held_micro = f.held_micro - returned.part
  from unnest(v_fund_nos, v_parts) as returned (fund_no, part)
  where f.fund_no = returned.fund_no;

  update ledger.hold_parts p
  set held_micro = p.held_micro - returned.part
  from unnest(v_fund_nos, v_parts) as returned (fund_no, part)
  where p.hold_no = p_hold_no and p.fund_no = returned.fund_no;

  insert into ledger.entries (txn_no, line_no, account_no, fund_no, book, amount_micro)
  select p_txn_no, 2 * returned.place - 2 + line.no, p_account_no, returned.fund_no, line.book, line.sign * returned.part
  from unnest(v_fund_nos, v_parts) with ordinality as returned (fund_no, part, place)
  cross join (values (1, 'h'::"char", -1), (2, 'a'::"char", 1)) as line (no, book, sign);
end;
$$;
