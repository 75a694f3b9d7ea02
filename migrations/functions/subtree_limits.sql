-- subtree_limits lists the accounts, from this one upward, that limit what it and everything beside it below them may settle
-- and hold together (rulings 8): an explicit limit, else the money a parent was itself given (with its overdraft), else none.
-- An account without children limits nobody by its own money: that is what its funds are for. (limit 1: a probe, whatever
-- the planner thinks of the table's size.)
create function ledger.subtree_limits(p_account_no bigint, p_at timestamptz)
returns table (place int, account_no bigint, name text, limit_micro bigint, settled_micro bigint, held_micro bigint)
language sql stable
as $$
  select node.place::int, a.account_no, a.name, coalesce(t.subtree_limit_micro, own.granted_micro + own.overdraft_micro),
    t.subtree_settled_micro, t.subtree_held_micro
  from (select account_no, ancestors from ledger.accounts where account_no = p_account_no limit 1) self
  cross join lateral unnest(array[self.account_no] || self.ancestors) with ordinality as node (account_no, place)
  cross join lateral (select * from ledger.accounts where account_no = node.account_no limit 1) a
  cross join lateral (select * from ledger.account_totals where account_no = node.account_no limit 1) t
  left join lateral ledger.spendable(node.account_no, p_at) own
    on t.subtree_limit_micro is null and t.was_funded and t.has_children
  where t.subtree_limit_micro is not null or (t.was_funded and t.has_children)
$$;
