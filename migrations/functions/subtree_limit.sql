-- subtree_limit says what an account and everything below it may settle and hold together (rulings 8): its explicit limit,
-- else the money it was itself given (with its overdraft) once it has children, else nothing (null). An account without
-- children limits nobody by its own money: that is what its funds are for.
create function ledger.subtree_limit(p_account_no bigint, p_at timestamptz)
returns table (limit_micro bigint, settled_micro bigint, held_micro bigint)
language sql stable
as $$
  select coalesce(t.subtree_limit_micro, own.granted_micro + own.overdraft_micro), t.subtree_settled_micro, t.subtree_held_micro
  from (select * from ledger.account_totals where account_no = p_account_no limit 1) t
  left join lateral (
    -- A condition inside, so that an account that limits nobody is not added up for nothing.
    select s.granted_micro, s.overdraft_micro from ledger.spendable(p_account_no, p_at) s
    where t.subtree_limit_micro is null and t.was_funded and t.has_children) own on true
$$;
