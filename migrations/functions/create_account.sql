-- create_account makes an account with its two standing funds (base: the account's own window; overdraft: no window), its
-- totals, and, where a budget_limit is given, the deposit that it means (rulings 6). Settings are those of update_account.
--
-- Idempotent by the caller's key; two accounts of one name cannot be made, whoever asks first has it.
create function ledger.create_account(p_name text, p_unit text, p_settings jsonb, p_principal text, p_key text, p_body_hash bytea)
returns jsonb
language plpgsql volatile
as $$
declare
  v_account_no bigint;
  v_base_no bigint;
  v_parent ledger.accounts;
  v_limit bigint := (p_settings ->> 'budget_limit_micro')::bigint;
  v_starts_at timestamptz := (p_settings ->> 'starts_at')::timestamptz;
  v_ends_at timestamptz := (p_settings ->> 'ends_at')::timestamptz;
  v_answer jsonb;
begin
  if p_settings ->> 'parent' is not null then v_parent := ledger.lock_account(p_settings ->> 'parent'); end if;
  v_answer := ledger.replayed(p_principal, 'create_account', p_key, p_body_hash);
  if v_answer is not null then return v_answer; end if;
  perform ledger.must_be_settings(v_starts_at, v_ends_at, v_limit, '/end_date');

  v_account_no := nextval(pg_get_serial_sequence('ledger.accounts', 'account_no'));
  insert into ledger.accounts (
    account_no, name, title, description, unit, time_zone, status, starts_at, ends_at, parent_no, root_no, ancestors,
    on_exhaustion, overdraft_limit_micro, on_requeue_shortfall, hold_multiplier_micro)
  overriding system value
  values (
    v_account_no, p_name, p_settings ->> 'title', coalesce(p_settings ->> 'description', ''), p_unit,
    coalesce(p_settings ->> 'time_zone', 'UTC'), coalesce(p_settings ->> 'status', 'active'), v_starts_at, v_ends_at,
    v_parent.account_no, coalesce(v_parent.root_no, v_account_no),
    case when v_parent.account_no is null then '{}' else v_parent.account_no || v_parent.ancestors end,
    coalesce(p_settings ->> 'on_exhaustion', 'deny'), coalesce((p_settings ->> 'overdraft_limit_micro')::bigint, 0),
    coalesce(p_settings ->> 'on_requeue_shortfall', 'run_on'), (p_settings ->> 'hold_multiplier_micro')::bigint)
  on conflict (name) do nothing;
  if not found then
    -- Perhaps made by the same request, a moment ago.
    v_answer := ledger.replayed(p_principal, 'create_account', p_key, p_body_hash);
    if v_answer is not null then return v_answer; end if;
    perform ledger.fail('account_exists', format('Account "%s" already exists.', p_name), jsonb_build_object('account', p_name));
  end if;
  perform ledger.must_be_parent(v_account_no, p_unit, v_parent);

  insert into ledger.account_totals (account_no, subtree_limit_micro)
  values (v_account_no, (p_settings ->> 'subtree_limit_micro')::bigint);
  update ledger.account_totals set has_children = true where account_no = v_parent.account_no and not has_children;
  insert into ledger.funds (fund_id, account_no, source, opens_at, closes_at) values
    (ledger.new_id('fund'), v_account_no, 'base', v_starts_at, v_ends_at),
    (ledger.new_id('fund'), v_account_no, 'overdraft', '-infinity', 'infinity');
  if v_limit > 0 then
    select fund_no into strict v_base_no from ledger.funds where account_no = v_account_no and source = 'base';
    -- The money of an account that started earlier was there from its start.
    perform ledger.put_money(v_account_no, v_base_no, v_limit, p_principal, 'Budget of the new account',
      least(v_starts_at, clock_timestamp()));
  end if;
  perform ledger.note_change('account', p_name, null, 'create_account', p_principal, null, ledger.settings_of_account(v_account_no));
  return ledger.remember(p_principal, 'create_account', p_key, p_body_hash, ledger.describe_account(v_account_no, clock_timestamp()));
end;
$$;
