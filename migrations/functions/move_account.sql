-- move_account puts an account, with everything below it, under another parent (null: none): ancestors, roots and the
-- counters of both old and new ancestors. The caller holds the locks of both trees.
create function ledger.move_account(p_account ledger.accounts, p_parent ledger.accounts) returns void
language plpgsql volatile
as $$
declare
  v_old bigint[] := p_account.ancestors;
  v_new bigint[] := case when p_parent.account_no is null then '{}' else p_parent.account_no || p_parent.ancestors end;
  v_settled bigint;
  v_held bigint;
begin
  if p_parent.account_no is not distinct from p_account.parent_no then return; end if;
  perform ledger.must_be_parent(p_account.account_no, p_account.unit, p_parent);
  select subtree_settled_micro, subtree_held_micro into strict v_settled, v_held
  from ledger.account_totals where account_no = p_account.account_no;

  update ledger.account_totals
  set subtree_settled_micro = subtree_settled_micro - v_settled, subtree_held_micro = subtree_held_micro - v_held
  where account_no = any (v_old);
  update ledger.account_totals
  set subtree_settled_micro = subtree_settled_micro + v_settled, subtree_held_micro = subtree_held_micro + v_held
  where account_no = any (v_new);

  update ledger.accounts set parent_no = p_parent.account_no where account_no = p_account.account_no;
  update ledger.accounts
  set ancestors = trim_array(ancestors, cardinality(v_old)) || v_new, root_no = coalesce(p_parent.root_no, p_account.account_no)
  where account_no = p_account.account_no or ancestors @> array[p_account.account_no];

  update ledger.account_totals t
  set has_children = exists (select from ledger.accounts a where a.parent_no = t.account_no)
  where t.account_no in (p_account.parent_no, p_parent.account_no);
end;
$$;
