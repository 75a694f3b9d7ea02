-- close_asbb_accounts gives accounts that open_asbb_accounts made what their movements, which are written now, come to: the balances
-- of their funds, and the stories of open holds. One of p_totals an account: {accountNo, baseNo, overNo, granted, settledBase,
-- settledOver, heldBase, heldOver}, in millionths.
create function ledger.close_asbb_accounts(p_totals jsonb, p_open_holds bigint[]) returns void
language sql volatile
as $$
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
  )
  insert into ledger.account_totals (
    account_no, granted_micro, settled_micro, held_micro, subtree_settled_micro, subtree_held_micro, was_funded)
  select account_no, granted, settled_base + settled_over, held_base + held_over, settled_base + settled_over, held_base + held_over,
    granted > 0
  from total;

  insert into ledger.outbox (hold_no, kind) select hold_no, 'start' from unnest(p_open_holds) hold_no
$$;
