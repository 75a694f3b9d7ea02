-- parts_to_draw says from which funds an amount is taken at a moment: open funds soonest-to-expire first (older first among
-- equals), and what no money covers from the overdraft fund. Whether it may be drawn at all is not its question.
create function ledger.parts_to_draw(p_account_no bigint, p_amount_micro bigint, p_at timestamptz)
returns table (fund_no bigint, part_micro bigint)
language sql stable
as $$
  with free as (
    select f.fund_no, f.granted_micro - f.settled_micro - f.held_micro as available,
      coalesce(sum(f.granted_micro - f.settled_micro - f.held_micro) over (
        order by f.closes_at, f.fund_no rows between unbounded preceding and 1 preceding), 0)::bigint as sooner
    from ledger.funds f
    where f.account_no = p_account_no and f.source <> 'overdraft' and f.opens_at <= p_at and f.closes_at > p_at
      and f.granted_micro > f.settled_micro + f.held_micro
  ), drawn as (
    select free.fund_no, least(available, p_amount_micro - sooner) as part
    from free
    where sooner < p_amount_micro
  ), uncovered as (
    select p_amount_micro - coalesce(sum(part), 0)::bigint as part from drawn
  )
  select drawn.fund_no, part from drawn
  union all
  select f.fund_no, part
  from uncovered join ledger.funds f on f.account_no = p_account_no and f.source = 'overdraft'
  where part > 0
$$;
