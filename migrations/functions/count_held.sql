-- count_held adds an amount (negative: takes it away) to what is held by an account, by every account above it, and by the
-- caps that count a hold of this partition and user at this moment.
--
-- No ceiling is kept here, unlike in move_totals: a hold is bounded by money that has passed it. The caller has the lock,
-- and writes the hold's own row afterwards (see count_on_caps).
create function ledger.count_held(
  p_account_no bigint, p_partition text, p_user text, p_at timestamptz, p_amount_micro bigint
) returns void
language plpgsql volatile
set plan_cache_mode = force_generic_plan
as $$
begin
  update ledger.account_totals t
  set held_micro = t.held_micro + case when t.account_no = p_account_no then p_amount_micro else 0 end,
    subtree_held_micro = t.subtree_held_micro + p_amount_micro
  from ledger.accounts a
  where a.account_no = p_account_no and t.account_no = any (a.account_no || a.ancestors);

  perform ledger.count_on_caps(p_account_no, p_partition, p_user, p_at, 0, p_amount_micro);
end;
$$;
