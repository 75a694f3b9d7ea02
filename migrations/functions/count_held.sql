-- count_held adds an amount (negative: takes it away) to what is held by an account, by every account above it, and by the
-- caps that count a hold of this partition and user at this moment. The caller has changed the funds and holds the lock.
create function ledger.count_held(
  p_account_no bigint, p_partition text, p_user text, p_at timestamptz, p_amount_micro bigint
) returns void
language plpgsql volatile
as $$
begin
  update ledger.account_totals t
  set held_micro = t.held_micro + case when t.account_no = p_account_no then p_amount_micro else 0 end,
    subtree_held_micro = t.subtree_held_micro + p_amount_micro
  from ledger.accounts a
  where a.account_no = p_account_no and t.account_no = any (a.account_no || a.ancestors);

  -- A user who falls under a template gets his row before the first hold is counted.
  insert into ledger.limits (
    account_no, partition, user_name, limit_micro, opens_at, closes_at, settled_micro, held_micro, from_template)
  select p_account_no, c.partition, c.user_name, c.limit_micro, c.opens_at, c.closes_at, c.settled_micro, c.held_micro, true
  from ledger.caps_of(p_account_no, p_partition, p_user, p_at) c
  where c.limit_no is null;

  update ledger.limits l
  set held_micro = l.held_micro + p_amount_micro
  from ledger.caps_of(p_account_no, p_partition, p_user, p_at) c
  where l.limit_no = c.limit_no;
end;
$$;
