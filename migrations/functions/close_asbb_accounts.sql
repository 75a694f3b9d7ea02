-- close_asbb_accounts gives accounts that open_asbb_accounts made what their movements, which are written now, come to: the balances
-- of their funds, their limits, the stories of open holds. One of p_totals an account: {accountNo, baseNo, overNo, granted, settledBase,
-- settledOver, heldBase, heldOver}, in millionths.
create function ledger.close_asbb_accounts(p_totals jsonb, p_open_holds bigint[], p_actor text) returns void
language plpgsql volatile
as $$
declare
  v_account_nos bigint[];
begin
  with total as materialized (
    select "accountNo" as account_no, "baseNo" as base_no, "overNo" as over_no, granted, "settledBase" as settled_base,
      "settledOver" as settled_over, "heldBase" as held_base, "heldOver" as held_over
    from jsonb_to_recordset(p_totals) as t (
      "accountNo" bigint, "baseNo" bigint, "overNo" bigint, granted bigint, "settledBase" bigint, "settledOver" bigint,
      "heldBase" bigint, "heldOver" bigint)
  ), side as materialized (
    select base_no as fund_no, granted, settled_base as settled, held_base as held from total
    union all
    select over_no, 0, settled_over, held_over from total
  ), fund as (
    update ledger.funds f
    set granted_micro = side.granted, settled_micro = side.settled, held_micro = side.held
    from side
    where f.fund_no = side.fund_no and (side.granted, side.settled, side.held) <> (0, 0, 0)
  ), written as (
    insert into ledger.account_totals (
      account_no, granted_micro, settled_micro, held_micro, subtree_settled_micro, subtree_held_micro, was_funded)
    select account_no, granted, settled_base + settled_over, held_base + held_over, settled_base + settled_over, held_base + held_over,
      granted > 0
    from total
    returning account_no
  )
  select coalesce(array_agg(account_no), '{}') into v_account_nos from written;
  insert into ledger.outbox (hold_no, kind) select hold_no, 'start' from unnest(p_open_holds) hold_no;

  insert into ledger.limits (account_no, partition, limit_micro)
  select a.account_no, l.partition, l.limit_micro
  from ledger.accounts a
  join ledger.asbb_accounts s using (name)
  join ledger.asbb_limits l on l.account_id = s.id
  where a.account_no = any (v_account_nos);
  perform ledger.recount_limits(account_no) from (select distinct account_no from ledger.limits where account_no = any (v_account_nos)) l;
  perform ledger.flag_overspending(account_no) from ledger.funds
  where account_no = any (v_account_nos) and source = 'overdraft' and settled_micro + held_micro > 0;

  insert into ledger.changes (subject, name, action, actor, after)
  select 'account', a.name, 'create_account', p_actor, ledger.settings_of_account(a.account_no)
  from ledger.accounts a where a.account_no = any (v_account_nos)
  union all
  select 'limit', a.name, 'set_limit', p_actor, ledger.settings_of_limit(l)
  from ledger.limits l join ledger.accounts a using (account_no) where a.account_no = any (v_account_nos);
end;
$$;
