-- draw_charge pays for what was used, piece by piece in the order of its time:
--
--   1. from the hold's parts: a part on a fund pays for use inside that fund's window only, soonest-to-expire first, the
--      part on the overdraft last;
--   2. from the free money of funds that were open at that time, soonest-to-expire first; where such a fund has closed and
--      its money expired since, as much of the expiry as is needed is reversed (rulings 7);
--   3. from the overdraft, without limit: a charge is a fact and is never refused (decision 4).
--
-- Writes the charge's lines and pieces, the reversals, the balances of funds, hold, account, subtree and caps. The caller
-- holds the tree's lock and has not yet written the row of ledger.charges that this is about (see count_on_caps).
create function ledger.draw_charge(
  p_txn_no bigint, p_charge_no bigint, p_account_no bigint, p_hold ledger.holds, p_partition text, p_user text,
  p_counted_at timestamptz, p_pieces jsonb, p_actor text
) returns void
language plpgsql volatile
as $$
declare
  v_unpaid ledger.drawn[];
  v_unpaid_micro bigint;
  v_source record;
  v_take bigint;
  v_drawn ledger.drawn[] := '{}';
  v_reversal record;
  v_reversal_no bigint;
  v_total bigint;
  v_from_hold bigint;
  v_reversed bigint;
begin
  select array_agg(row(c.place, c.starts_at, c.ends_at, null, null, c.amount_micro)::ledger.drawn order by c.place),
    coalesce(sum(c.amount_micro), 0)
  into v_unpaid, v_total
  from ledger.cut_pieces(p_account_no, p_pieces) with ordinality as c (starts_at, ends_at, amount_micro, place);
  if v_total = 0 then return; end if;
  v_unpaid_micro := v_total;

  -- Every source pays for the pieces in their order, and the sources take turns in theirs. Piece by piece would draw the
  -- same amounts, since what a source pays depends on earlier pieces and earlier sources only.
  for v_source in
    select f.fund_no, f.opens_at, f.closes_at, s.source, s.amount
    from ledger.funds f
    left join ledger.hold_parts p on p.hold_no = p_hold.hold_no and p.fund_no = f.fund_no
    cross join lateral (values
      ('h'::"char", p.held_micro),
      ('a', case when f.source = 'overdraft' then v_total else f.granted_micro - f.settled_micro - f.held_micro end),
      ('e', f.expired_micro)) as s (source, amount)
    where f.account_no = p_account_no and s.amount > 0
    order by s.source <> 'h', f.source = 'overdraft', f.closes_at, f.fund_no, s.source
  loop
    exit when v_unpaid_micro = 0;
    for i in 1 .. cardinality(v_unpaid) loop
      v_take := least(v_unpaid[i].amount_micro, v_source.amount);
      if v_take > 0 and v_source.opens_at <= v_unpaid[i].starts_at and v_source.closes_at > v_unpaid[i].starts_at then
        v_drawn := v_drawn || row(
          i, v_unpaid[i].starts_at, v_unpaid[i].ends_at, v_source.fund_no, v_source.source, v_take)::ledger.drawn;
        v_unpaid[i].amount_micro := v_unpaid[i].amount_micro - v_take;
        v_unpaid_micro := v_unpaid_micro - v_take;
        v_source.amount := v_source.amount - v_take;
      end if;
    end loop;
  end loop;

  select coalesce(sum(amount_micro) filter (where source = 'h'), 0), coalesce(sum(amount_micro) filter (where source = 'e'), 0)
  into v_from_hold, v_reversed
  from unnest(v_drawn);

  perform ledger.count_on_caps(p_hold.account_no, p_hold.partition, p_hold.user_name, p_hold.effective_at, 0, -v_from_hold);
  perform ledger.count_on_caps(p_account_no, p_partition, p_user, p_counted_at, v_total, 0);

  for v_reversal in
    select fund_no, sum(amount_micro)::bigint as amount, min(starts_at) as at from unnest(v_drawn)
    where source = 'e' group by fund_no order by fund_no
  loop
    v_reversal_no := ledger.write_transaction('expiry', p_account_no, -v_reversal.amount, p_actor,
      'Expiry reversed for use before it', v_reversal.at, p_hold.hold_no, p_charge_no);
    insert into ledger.entries (txn_no, line_no, account_no, fund_no, book, amount_micro) values
      (v_reversal_no, 1, p_account_no, v_reversal.fund_no, 'e', -v_reversal.amount),
      (v_reversal_no, 2, p_account_no, v_reversal.fund_no, 'a', v_reversal.amount);
  end loop;

  insert into ledger.entries (txn_no, line_no, account_no, fund_no, book, amount_micro)
  select p_txn_no, row_number() over (order by drawn.fund_no, line.book), p_account_no, drawn.fund_no, line.book,
    sum(line.sign * drawn.amount_micro)
  from unnest(v_drawn) as drawn
  cross join lateral (values
    (case when drawn.source = 'h' then 'h'::"char" else 'a' end, -1), ('s', 1)) as line (book, sign)
  group by drawn.fund_no, line.book;

  insert into ledger.charge_pieces (txn_no, piece_no, charge_no, fund_no, starts_at, ends_at, amount_micro)
  select p_txn_no, row_number() over (order by piece_no, fund_no), p_charge_no, fund_no, starts_at, ends_at, sum(amount_micro)
  from unnest(v_drawn)
  group by piece_no, starts_at, ends_at, fund_no;

  update ledger.funds f
  set settled_micro = f.settled_micro + drawn.amount, held_micro = f.held_micro - drawn.from_hold,
    granted_micro = f.granted_micro + drawn.reversed, expired_micro = f.expired_micro - drawn.reversed
  from (
    select fund_no, sum(amount_micro) as amount, coalesce(sum(amount_micro) filter (where source = 'h'), 0) as from_hold,
      coalesce(sum(amount_micro) filter (where source = 'e'), 0) as reversed
    from unnest(v_drawn)
    group by fund_no
  ) as drawn
  where f.fund_no = drawn.fund_no;

  if v_from_hold > 0 then
    update ledger.hold_parts p
    set held_micro = p.held_micro - drawn.amount
    from (select fund_no, sum(amount_micro) as amount from unnest(v_drawn) where source = 'h' group by fund_no) as drawn
    where p.hold_no = p_hold.hold_no and p.fund_no = drawn.fund_no;
    update ledger.holds set held_micro = held_micro - v_from_hold where hold_no = p_hold.hold_no;
  end if;

  perform ledger.move_totals(p_account_no, v_reversed, v_total, -v_from_hold);
  if exists (
    select from unnest(v_drawn) join ledger.funds f using (fund_no) where f.source = 'overdraft')
  then
    perform ledger.flag_overspending(p_account_no);
  end if;
end;
$$;
