-- subtree_limits lists the limits that bound an account from itself upward (see subtree_limit). Each step is a probe
-- ("limit 1"), whatever the planner thinks of the size of a table.
create function ledger.subtree_limits(p_account_no bigint, p_at timestamptz)
returns table (place int, account_no bigint, name text, limit_micro bigint, settled_micro bigint, held_micro bigint)
language sql stable
as $$
  select node.place::int, node.account_no, a.name, l.limit_micro, l.settled_micro, l.held_micro
  from (select account_no, ancestors from ledger.accounts where account_no = p_account_no limit 1) self
  cross join lateral unnest(array[self.account_no] || self.ancestors) with ordinality as node (account_no, place)
  cross join lateral (select accounts.name from ledger.accounts where account_no = node.account_no limit 1) a
  cross join lateral ledger.subtree_limit(node.account_no, p_at) l
  where l.limit_micro is not null
$$;
