-- settings_of_account is what people set of an account, for the trail of changes: no money, which moves in transactions, and
-- no status that comes with time.
create function ledger.settings_of_account(p_account_no bigint) returns jsonb
language sql stable
as $$
  select jsonb_strip_nulls(jsonb_build_object(
    'name', a.name, 'title', a.title, 'description', a.description, 'unit', a.unit, 'time_zone', a.time_zone,
    'status', a.status, 'starts_at', a.starts_at, 'ends_at', a.ends_at, 'parent', p.name,
    'subtree_limit_micro', t.subtree_limit_micro::text, 'on_exhaustion', a.on_exhaustion,
    'overdraft_limit_micro', a.overdraft_limit_micro::text, 'on_requeue_shortfall', a.on_requeue_shortfall,
    'hold_multiplier_micro', a.hold_multiplier_micro::text, 'archived', a.archived_at is not null))
  from ledger.accounts a
  join ledger.account_totals t on t.account_no = a.account_no
  left join ledger.accounts p on p.account_no = a.parent_no
  where a.account_no = p_account_no
$$;
