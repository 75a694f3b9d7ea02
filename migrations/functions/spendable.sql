-- spendable says what an account can pay at a moment, from its funds as they are now.
--
-- available = the free money of the funds open then, less the debt. Debt is what was drawn on the overdraft fund; the free
-- money left in closed funds covers it first (expiry leaves that much there), so the answer is the same before and after
-- the expiry sweep. overdraft is what may be drawn below zero. granted is the money of all funds that had opened by then,
-- less what is due to expire: granted - settled - held = available.
create function ledger.spendable(p_account_no bigint, p_at timestamptz)
returns table (available_micro bigint, overdraft_micro bigint, granted_micro bigint)
language sql stable
as $$
  select
    (f.open_available - greatest(0, f.debt - f.closed_available))::bigint,
    case when a.on_exhaustion = 'overdraft' then a.overdraft_limit_micro else 0 end,
    (f.opened_granted - greatest(0, f.closed_available - f.debt))::bigint
  from ledger.accounts a
  cross join lateral (
    select
      coalesce(sum(granted_micro - settled_micro - held_micro)
        filter (where source <> 'overdraft' and opens_at <= p_at and closes_at > p_at), 0) as open_available,
      coalesce(sum(granted_micro - settled_micro - held_micro)
        filter (where source <> 'overdraft' and closes_at <= p_at), 0) as closed_available,
      coalesce(sum(settled_micro + held_micro) filter (where source = 'overdraft'), 0) as debt,
      coalesce(sum(granted_micro) filter (where opens_at <= p_at), 0) as opened_granted
    from ledger.funds
    where account_no = p_account_no
  ) f
  where a.account_no = p_account_no
$$;
