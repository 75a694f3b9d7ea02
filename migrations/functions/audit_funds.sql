-- audit_funds: every fund has what its lines say, every account what its funds say, and the funds that it must have.
create function ledger.audit_funds() returns table (check_name text, subject text, detail text, difference_micro numeric)
language sql stable
as $$
  with said as (
    select fund_no,
      coalesce(sum(amount_micro) filter (where book in ('a', 'h', 's')), 0) as granted,
      coalesce(sum(amount_micro) filter (where book = 's'), 0) as settled,
      coalesce(sum(amount_micro) filter (where book = 'h'), 0) as held,
      coalesce(sum(amount_micro) filter (where book = 'e'), 0) as expired
    from ledger.entries group by fund_no
  ), fund as (
    select f.*, a.name, case when f.source = 'overdraft' then f.granted_micro else coalesce(said.granted, 0) end as granted,
      coalesce(said.granted, 0) - coalesce(said.settled, 0) - coalesce(said.held, 0) as free,
      coalesce(said.settled, 0) as settled, coalesce(said.held, 0) as held, coalesce(said.expired, 0) as expired
    from ledger.funds f
    join ledger.accounts a on a.account_no = f.account_no
    left join said on said.fund_no = f.fund_no
  ), sums as (
    select account_no, sum(granted_micro) as granted, sum(settled_micro) as settled, sum(held_micro) as held,
      count(*) filter (where source = 'base') as bases, count(*) filter (where source = 'overdraft') as overdrafts
    from ledger.funds group by account_no
  )
  select 'fund_matches_its_lines', format('fund %s of account %s', fund_id, name),
    format('%s is %s, its lines say %s', part.what, ledger.decimal_of(part.kept), ledger.decimal_of(part.said::bigint)), abs(part.kept - part.said)
  from fund
  cross join lateral (values
    ('granted', fund.granted_micro, fund.granted), ('settled', fund.settled_micro, fund.settled),
    ('held', fund.held_micro, fund.held), ('expired', fund.expired_micro, fund.expired)) as part (what, kept, said)
  where part.kept <> part.said
  union all
  select 'overdraft_fund_was_granted_nothing', format('fund %s of account %s', fund_id, name), format('granted is %s', ledger.decimal_of(granted_micro)), abs(granted_micro)
  from fund where source = 'overdraft' and granted_micro <> 0
  union all
  select 'account_matches_its_funds', format('account %s', a.name),
    format('%s is %s, its funds say %s', part.what, ledger.decimal_of(part.kept), ledger.decimal_of(part.said::bigint)), abs(part.kept - part.said)
  from ledger.account_totals t
  join ledger.accounts a on a.account_no = t.account_no
  left join sums on sums.account_no = t.account_no
  cross join lateral (values
    ('granted', t.granted_micro, coalesce(sums.granted, 0)), ('settled', t.settled_micro, coalesce(sums.settled, 0)),
    ('held', t.held_micro, coalesce(sums.held, 0))) as part (what, kept, said)
  where part.kept <> part.said
  union all
  select 'account_has_its_standing_funds', format('account %s', a.name), format('%s base and %s overdraft funds', coalesce(sums.bases, 0), coalesce(sums.overdrafts, 0)), 0
  from ledger.accounts a left join sums on sums.account_no = a.account_no
  where sums.bases is distinct from 1 or sums.overdrafts is distinct from 1
  union all
  select 'base_fund_has_the_accounts_window', format('account %s', a.name), format('the fund is open from %s to %s', f.opens_at, f.closes_at), 0
  from ledger.accounts a join ledger.funds f on f.account_no = a.account_no and f.source = 'base'
  where (f.opens_at, f.closes_at) is distinct from (a.starts_at, a.ends_at)
$$;
