-- audit_limits: every cap counted what limit_use finds in the holds and charges that it covers. Computed here for all caps at
-- once, by hashing on what they name; limit_use would scan an account's charges once per user.
create function ledger.audit_limits() returns table (check_name text, subject text, detail text, difference_micro numeric)
language sql stable
as $$
  with use as materialized (
    select account_no, partition, user_name, effective_at as at, 0 as settled, held_micro as held
    from ledger.holds where status = 'open' and held_micro > 0
    union all
    select c.account_no, c.partition, c.user_name, coalesce(h.effective_at, c.started_at, t.effective_at),
      c.amount_micro + c.adjusted_micro - c.refunded_micro, 0
    from ledger.charges c
    join ledger.transactions t on t.txn_no = c.charge_no
    left join ledger.holds h on h.hold_no = c.hold_no
  ), counted as (
    select l.limit_no, u.at, u.settled, u.held from ledger.limits l
    join use u on u.account_no = l.account_no and u.partition = l.partition where l.user_name is null
    union all
    select l.limit_no, u.at, u.settled, u.held from ledger.limits l
    join use u on u.account_no = l.account_no and u.user_name = l.user_name where l.partition is null and l.user_name <> '*'
    union all
    select l.limit_no, u.at, u.settled, u.held from ledger.limits l
    join use u on u.account_no = l.account_no and u.partition = l.partition and u.user_name = l.user_name where l.user_name <> '*'
  ), said as (
    select l.limit_no, sum(counted.settled) as settled, sum(counted.held) as held
    from counted
    join ledger.limits l on l.limit_no = counted.limit_no
    join ledger.accounts a on a.account_no = l.account_no
    where counted.at >= coalesce(l.opens_at, a.starts_at) and counted.at < coalesce(l.closes_at, a.ends_at)
    group by l.limit_no
  )
  select 'limit_matches_history',
    format('limit of account %s%s%s', a.name, coalesce(', partition ' || l.partition, ''), coalesce(', user ' || l.user_name, '')),
    format('%s is %s, its history says %s', what.name, ledger.decimal_of(what.kept), ledger.decimal_of(what.said::bigint)), abs(what.kept - what.said)
  from ledger.limits l
  join ledger.accounts a on a.account_no = l.account_no
  left join said on said.limit_no = l.limit_no
  cross join lateral (values
    ('settled', l.settled_micro, coalesce(said.settled, 0)), ('held', l.held_micro, coalesce(said.held, 0))) as what (name, kept, said)
  where what.kept <> what.said
$$;
