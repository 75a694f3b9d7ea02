-- audit_holds: every hold holds what its lines say, fund by fund, and knows what was charged and released.
create function ledger.audit_holds() returns table (check_name text, subject text, detail text, difference_micro numeric)
language sql stable
as $$
  with part as (
    select t.hold_no, e.fund_no, sum(e.amount_micro) as held
    from ledger.entries e join ledger.transactions t on t.txn_no = e.txn_no
    where e.book = 'h'
    group by t.hold_no, e.fund_no
  ), hold as (
    select coalesce(said.hold_no, kept.hold_no) as hold_no, coalesce(kept.held, 0) as parts_held, coalesce(said.held, 0) as said_held
    from (select hold_no, sum(held) as held from part group by hold_no) said
    full join (select hold_no, sum(held_micro) as held from ledger.hold_parts group by hold_no) kept on kept.hold_no = said.hold_no
  ), charged as (
    select hold_no, sum(amount_micro + adjusted_micro) as charged from ledger.charges where hold_no is not null group by hold_no
  ), moved as (
    select hold_no, sum(amount_micro) filter (where kind = 'release') as released, sum(amount_micro) filter (where kind = 'hold') as placed,
      count(*) filter (where kind = 'hold') as placings
    from ledger.transactions where hold_no is not null and kind in ('hold', 'release')
    group by hold_no
  )
  select 'hold_matches_its_lines', format('hold %s', coalesce(h.hold_id, hold.hold_no::text)),
    format('it holds %s, its parts %s, its lines say %s', ledger.decimal_of(coalesce(h.held_micro, 0)), ledger.decimal_of(coalesce(hold.parts_held, 0)::bigint), ledger.decimal_of(coalesce(hold.said_held, 0)::bigint)),
    greatest(abs(coalesce(h.held_micro, 0) - coalesce(hold.said_held, 0)), abs(coalesce(hold.parts_held, 0) - coalesce(hold.said_held, 0)))
  from hold full join ledger.holds h on h.hold_no = hold.hold_no
  where coalesce(h.held_micro, 0) <> coalesce(hold.said_held, 0) or coalesce(hold.parts_held, 0) <> coalesce(hold.said_held, 0)
  union all
  select 'hold_part_matches_its_lines', format('hold %s, fund %s', coalesce(p.hold_no, part.hold_no), coalesce(p.fund_no, part.fund_no)),
    format('the part is %s, its lines say %s', ledger.decimal_of(coalesce(p.held_micro, 0)), ledger.decimal_of(coalesce(part.held, 0)::bigint)),
    abs(coalesce(p.held_micro, 0) - coalesce(part.held, 0))
  from part full join ledger.hold_parts p on p.hold_no = part.hold_no and p.fund_no = part.fund_no
  where coalesce(p.held_micro, 0) <> coalesce(part.held, 0)
  union all
  select 'hold_matches_its_history', format('hold %s', h.hold_id),
    format('%s is %s, its history says %s', what.name, ledger.decimal_of(what.kept), ledger.decimal_of(what.said::bigint)), abs(what.kept - what.said)
  from ledger.holds h
  left join moved on moved.hold_no = h.hold_no
  left join charged on charged.hold_no = h.hold_no
  cross join lateral (values
    ('placed', h.placed_micro, coalesce(moved.placed, 0)), ('released', h.released_micro, coalesce(moved.released, 0)),
    ('charged', h.charged_micro, coalesce(charged.charged, 0))) as what (name, kept, said)
  where what.kept <> what.said
  union all
  select 'hold_has_one_transaction', format('hold %s', coalesce(h.hold_id, moved.hold_no::text)), format('%s transactions placed it', coalesce(moved.placings, 0)), 0
  from ledger.holds h full join moved on moved.hold_no = h.hold_no
  where h.hold_no is null or moved.placings is distinct from 1
$$;
