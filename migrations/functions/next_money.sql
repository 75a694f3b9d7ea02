-- next_money: when the next fund with free money opens, and how much that brings. No row where none will.
create function ledger.next_money(p_account_no bigint, p_at timestamptz)
returns table (opens_at timestamptz, amount_micro bigint)
language sql stable
as $$
  select f.opens_at, sum(f.granted_micro - f.settled_micro - f.held_micro)::bigint
  from ledger.funds f
  where f.account_no = p_account_no and f.opens_at > p_at and f.granted_micro > f.settled_micro + f.held_micro
  group by f.opens_at
  order by f.opens_at
  limit 1
$$;
