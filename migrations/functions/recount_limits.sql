-- recount_limits counts anew what the caps of an account cover, after its window has moved: caps without a beginning or an end
-- of their own have the account's (rulings 8), so that a new year starts at zero. Counts as limit_use does, for all caps at
-- once; an account may cap thousands of users. The caller holds the tree's lock.
create function ledger.recount_limits(p_account_no bigint) returns void
language sql volatile
as $$
  with use as materialized (
    select partition, user_name, effective_at as at, 0 as settled, held_micro as held
    from ledger.holds where account_no = p_account_no and status = 'open' and held_micro > 0
    union all
    select c.partition, c.user_name, coalesce(h.effective_at, c.started_at, t.effective_at),
      c.amount_micro + c.adjusted_micro - c.refunded_micro, 0
    from ledger.charges c
    join ledger.transactions t on t.txn_no = c.charge_no
    left join ledger.holds h on h.hold_no = c.hold_no
    where c.account_no = p_account_no
  ), cap as materialized (
    select l.limit_no, l.partition, l.user_name, coalesce(l.opens_at, a.starts_at) as opens_at, coalesce(l.closes_at, a.ends_at) as closes_at
    from ledger.limits l join ledger.accounts a on a.account_no = l.account_no
    where l.account_no = p_account_no and l.user_name is distinct from '*'
  ), counted as (
    select cap.limit_no, use.* from cap join use on use.partition = cap.partition where cap.user_name is null
    union all
    select cap.limit_no, use.* from cap join use on use.user_name = cap.user_name where cap.partition is null
    union all
    select cap.limit_no, use.* from cap join use on use.partition = cap.partition and use.user_name = cap.user_name
  ), total as (
    select cap.limit_no, coalesce(sum(counted.settled), 0)::bigint as settled, coalesce(sum(counted.held), 0)::bigint as held
    from cap
    left join counted on counted.limit_no = cap.limit_no and counted.at >= cap.opens_at and counted.at < cap.closes_at
    group by cap.limit_no
  )
  update ledger.limits l set settled_micro = total.settled, held_micro = total.held
  from total where l.limit_no = total.limit_no
$$;
