-- free_money lists what can be taken out of an account now, fund by fund, soonest-to-expire last: the free money of funds
-- that are open or open later. Debt is covered by the open funds first, and what covers it is not free.
create function ledger.free_money(p_account_no bigint, p_at timestamptz)
returns table (fund_no bigint, free_micro bigint, opens_at timestamptz, closes_at timestamptz, place bigint)
language sql stable
as $$
  with owed as (
    select debt_micro from ledger.money_of(p_account_no, p_at)
  ), fund as (
    select f.fund_no, f.opens_at, f.closes_at, f.opens_at <= p_at as is_open,
      f.granted_micro - f.settled_micro - f.held_micro as free,
      -- Debt takes the soonest-to-expire open funds.
      coalesce(sum(f.granted_micro - f.settled_micro - f.held_micro) filter (where f.opens_at <= p_at) over (
        order by f.closes_at, f.fund_no rows between unbounded preceding and 1 preceding), 0) as sooner
    from ledger.funds f
    where f.account_no = p_account_no and f.source <> 'overdraft' and f.closes_at > p_at
      and f.granted_micro > f.settled_micro + f.held_micro
  )
  select fund_no, (free - case when is_open then least(free, greatest(0, debt_micro - sooner)) else 0 end)::bigint,
    opens_at, closes_at, row_number() over (order by closes_at desc, fund_no desc)
  from fund cross join owed
$$;
