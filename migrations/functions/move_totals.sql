-- move_totals adds to what an account was granted, has settled and holds, and to the subtree counters of everything above it.
--
-- Every movement ends here, so this is where the ceiling of rulings 2 is kept. The caller holds the tree's lock.
create function ledger.move_totals(p_account_no bigint, p_granted_micro bigint, p_settled_micro bigint, p_held_micro bigint) returns void
language plpgsql volatile
as $$
declare
  v_ceiling constant bigint := 8589934592000000;
  v_highest bigint;
begin
  with moved as (
    update ledger.account_totals t set
      granted_micro = t.granted_micro + case when t.account_no = p_account_no then p_granted_micro else 0 end,
      settled_micro = t.settled_micro + case when t.account_no = p_account_no then p_settled_micro else 0 end,
      held_micro = t.held_micro + case when t.account_no = p_account_no then p_held_micro else 0 end,
      subtree_settled_micro = t.subtree_settled_micro + p_settled_micro,
      subtree_held_micro = t.subtree_held_micro + p_held_micro,
      was_funded = t.was_funded or (t.account_no = p_account_no and p_granted_micro > 0)
    from ledger.accounts a
    where a.account_no = p_account_no
      and (t.account_no = p_account_no or (t.account_no = any (a.ancestors) and (p_settled_micro <> 0 or p_held_micro <> 0)))
    returning t.granted_micro, t.subtree_settled_micro, t.subtree_held_micro
  )
  select max(greatest(granted_micro, subtree_settled_micro + subtree_held_micro)) into v_highest from moved;

  if v_highest >= v_ceiling and (p_granted_micro > 0 or p_settled_micro > 0 or p_held_micro > 0) then
    perform ledger.fail('ceiling_exceeded', 'No balance may reach 8589934592 (2^33), the largest that JSON carries exactly with six decimals.',
      jsonb_build_object('ceiling', '8589934592', 'balance', ledger.decimal_of(v_highest)));
  end if;
end;
$$;
