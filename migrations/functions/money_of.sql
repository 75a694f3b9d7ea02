-- money_of is an account's money as its balance shows it at a moment, from its funds as they are now.
--
--   granted - settled - held = available     whatever the funds hold: granted is what came in and stayed, less what is due
--                                            to expire and what funds that open later still bring (upcoming)
--
-- available agrees with spendable(), except that the base fund counts before the account starts: nothing can be held then
-- anyway, and its money is what the account's limit says.
create function ledger.money_of(p_account_no bigint, p_at timestamptz) returns table (
  granted_micro bigint, settled_micro bigint, held_micro bigint, available_micro bigint, upcoming_micro bigint, debt_micro bigint
)
language sql stable
as $$
  with sums as (
    select
      coalesce(sum(granted_micro), 0) as granted, coalesce(sum(settled_micro), 0) as settled, coalesce(sum(held_micro), 0) as held,
      coalesce(sum(granted_micro - settled_micro - held_micro)
        filter (where source not in ('overdraft', 'base') and opens_at > p_at), 0) as upcoming,
      coalesce(sum(granted_micro - settled_micro - held_micro)
        filter (where source <> 'overdraft' and closes_at <= p_at), 0) as closed,
      coalesce(sum(settled_micro + held_micro) filter (where source = 'overdraft'), 0) as debt
    from ledger.funds where account_no = p_account_no
  ), shown as (
    select *, granted - upcoming - greatest(0, closed - debt) as granted_now from sums
  )
  select granted_now::bigint, settled::bigint, held::bigint, (granted_now - settled - held)::bigint, upcoming::bigint,
    greatest(0, debt - closed)::bigint
  from shown
$$;
