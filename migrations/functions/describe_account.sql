-- describe_account is an account as it is shown, with its money at a moment: granted - settled - held = available.
--
-- granted leaves out what funds that open later will bring, and what is due to expire, expired or not (see spendable). The
-- base fund counts from the beginning, also before the account starts: it is the account's own limit.
create function ledger.describe_account(p_account_no bigint, p_at timestamptz) returns jsonb
language sql stable
as $$
  select jsonb_build_object(
    'account_no', a.account_no, 'name', a.name, 'title', a.title, 'description', a.description, 'unit', a.unit,
    'time_zone', a.time_zone,
    'status', case when a.status = 'active' and a.ends_at <= p_at then 'expired' else a.status end, 'starts_at', a.starts_at, 'ends_at', a.ends_at, 'parent', p.name,
    'subtree_limit_micro', t.subtree_limit_micro::text, 'on_exhaustion', a.on_exhaustion,
    'overdraft_limit_micro', a.overdraft_limit_micro::text, 'on_requeue_shortfall', a.on_requeue_shortfall,
    'hold_multiplier_micro', a.hold_multiplier_micro::text, 'overspent_at', a.overspent_at, 'created_at', a.created_at,
    'updated_at', a.updated_at, 'archived_at', a.archived_at,
    'granted_micro', m.granted_micro::text, 'settled_micro', m.settled_micro::text, 'held_micro', m.held_micro::text,
    'available_micro', m.available_micro::text)
  from ledger.accounts a
  join ledger.account_totals t on t.account_no = a.account_no
  left join ledger.accounts p on p.account_no = a.parent_no
  cross join lateral ledger.money_of(a.account_no, p_at) m
  where a.account_no = p_account_no
$$;
