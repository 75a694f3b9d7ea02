-- plan_taking says from which funds a withdrawal or transfer is taken (see free_money), or refuses it: insufficient_budget.
create function ledger.plan_taking(p_account ledger.accounts, p_fund_no bigint, p_amount_micro bigint, p_at timestamptz)
returns table (fund_no bigint, part_micro bigint, opens_at timestamptz, closes_at timestamptz)
language plpgsql volatile
as $$
declare
  v_free bigint;
begin
  select coalesce(sum(f.free_micro), 0) into v_free
  from ledger.free_money(p_account.account_no, p_at) f where p_fund_no is null or f.fund_no = p_fund_no;
  if v_free < p_amount_micro then
    perform ledger.fail('insufficient_budget',
      format('Insufficient budget: %s %s can be taken from account "%s"%s, not %s.', ledger.decimal_of(v_free), p_account.unit,
        p_account.name, case when p_fund_no is null then '' else '''s fund' end, ledger.decimal_of(p_amount_micro)),
      jsonb_build_object('account', p_account.name, 'unit', p_account.unit, 'free', ledger.decimal_of(v_free),
        'requested', ledger.decimal_of(p_amount_micro), 'short_by', ledger.decimal_of(p_amount_micro - v_free)));
  end if;

  return query
  with fund as (
    select f.*, sum(f.free_micro) over (order by f.place) - f.free_micro as before
    from ledger.free_money(p_account.account_no, p_at) f
    where p_fund_no is null or f.fund_no = p_fund_no
  )
  select fund.fund_no, least(fund.free_micro, p_amount_micro - fund.before)::bigint, fund.opens_at, fund.closes_at
  from fund
  where fund.free_micro > 0 and fund.before < p_amount_micro
  order by fund.place;
end;
$$;
