-- update_account changes what is named in p_settings; null is a value (no parent, no limit), an absent key is unchanged.
--
-- starts_at and ends_at move the base fund's window with the account's; money that had expired only because the window had
-- ended comes back when it is extended. Caps without a window of their own count over the new one. budget_limit is what the account is granted: the difference is deposited into the
-- base fund or withdrawn from it, and limit_below_use says when that would take what is settled, held, or in other funds.
--
-- All that is named changes, or nothing. Idempotent by the caller's key. Updates that race are made one after the other;
-- racing with a hold, either a lower limit finds the hold or the hold finds the lower limit.
create function ledger.update_account(p_name text, p_settings jsonb, p_principal text, p_key text, p_body_hash bytea) returns jsonb
language plpgsql volatile
as $$
declare
  v_account ledger.accounts;
  v_parent ledger.accounts;
  v_answer jsonb;
  v_starts_at timestamptz;
  v_ends_at timestamptz;
  v_before jsonb;
begin
  perform ledger.lock_tree(array(select account_no from ledger.accounts where name in (p_name, p_settings ->> 'parent')));
  v_account := ledger.lock_account(p_name);
  v_answer := ledger.replayed(p_principal, 'update_account', p_key, p_body_hash);
  if v_answer is not null then return v_answer; end if;
  perform ledger.must_not_be_archived(v_account);
  v_before := ledger.settings_of_account(v_account.account_no);

  v_starts_at := coalesce((p_settings ->> 'starts_at')::timestamptz, v_account.starts_at);
  v_ends_at := coalesce((p_settings ->> 'ends_at')::timestamptz, v_account.ends_at);
  perform ledger.must_be_settings(v_starts_at, v_ends_at, (p_settings ->> 'budget_limit_micro')::bigint,
    case when p_settings ->> 'ends_at' is null then '/start_date' else '/end_date' end);

  if p_settings ? 'parent' then
    select * into v_parent from ledger.accounts where name = p_settings ->> 'parent';
    if not found and p_settings ->> 'parent' is not null then
      perform ledger.fail('account_not_found', format('There is no account "%s".', p_settings ->> 'parent'), jsonb_build_object('account', p_settings ->> 'parent'));
    end if;
    perform ledger.move_account(v_account, v_parent);
  end if;

  update ledger.accounts set
    title = coalesce(p_settings ->> 'title', title),
    description = coalesce(p_settings ->> 'description', description),
    time_zone = coalesce(p_settings ->> 'time_zone', time_zone),
    status = coalesce(p_settings ->> 'status', status),
    starts_at = v_starts_at,
    ends_at = v_ends_at,
    on_exhaustion = coalesce(p_settings ->> 'on_exhaustion', on_exhaustion),
    overdraft_limit_micro = coalesce((p_settings ->> 'overdraft_limit_micro')::bigint, overdraft_limit_micro),
    on_requeue_shortfall = coalesce(p_settings ->> 'on_requeue_shortfall', on_requeue_shortfall),
    hold_multiplier_micro = case when p_settings ? 'hold_multiplier_micro' then (p_settings ->> 'hold_multiplier_micro')::bigint else hold_multiplier_micro end,
    updated_at = clock_timestamp()
  where account_no = v_account.account_no;
  if p_settings ? 'subtree_limit_micro' then
    update ledger.account_totals set subtree_limit_micro = (p_settings ->> 'subtree_limit_micro')::bigint
    where account_no = v_account.account_no;
  end if;
  if (v_starts_at, v_ends_at) is distinct from (v_account.starts_at, v_account.ends_at) then
    perform ledger.move_base_window(v_account.account_no, v_starts_at, v_ends_at, p_principal);
    perform ledger.recount_limits(v_account.account_no);
  end if;
  if p_settings ->> 'budget_limit_micro' is not null then
    perform ledger.set_budget(v_account.account_no, (p_settings ->> 'budget_limit_micro')::bigint, p_principal);
  end if;
  perform ledger.flag_overspending(v_account.account_no);
  perform ledger.note_change('account', p_name, null, 'update_account', p_principal, v_before, ledger.settings_of_account(v_account.account_no));
  return ledger.remember(p_principal, 'update_account', p_key, p_body_hash, ledger.describe_account(v_account.account_no, clock_timestamp()));
end;
$$;
