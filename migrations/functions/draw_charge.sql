-- draw_charge pays for what was used, piece by piece in the order of its time:
--
--   1. from the hold's parts: a part on a fund pays for use inside that fund's window only, soonest-to-expire first, the
--      part on the overdraft last;
--   2. from the free money of funds that were open at that time, soonest-to-expire first; where such a fund has closed and
--      its money expired since, as much of the expiry as is needed is reversed (rulings 7);
--   3. from the overdraft, without limit: a charge is a fact and is never refused (decision 4).
--
-- Writes the charge's lines and pieces, the reversals, the balances of funds, hold, account, subtree and caps. The caller
-- holds the tree's lock and has not yet written the rows of ledger.charges that p_amount changes (see count_on_caps).
create function ledger.draw_charge(
  p_txn_no bigint, p_charge_no bigint, p_account_no bigint, p_hold ledger.holds, p_partition text, p_user text,
  p_counted_at timestamptz, p_pieces jsonb, p_actor text
) returns bigint
language plpgsql volatile
as $$
declare
  v_fund_nos bigint[];
  v_opens timestamptz[];
  v_closes timestamptz[];
  v_parts bigint[];
  v_free bigint[];
  v_expired bigint[];
  v_overdraft_no bigint;
  v_overdraft_part bigint;
  v_piece record;
  v_left bigint;
  v_take bigint;
  v_funds int;
  -- What was drawn: by piece and fund, from the hold, from free money, from a reversed expiry.
  d_piece int[] := '{}';
  d_starts timestamptz[] := '{}';
  d_ends timestamptz[] := '{}';
  d_fund bigint[] := '{}';
  d_source "char"[] := '{}';
  d_amount bigint[] := '{}';
  v_piece_no int := 0;
  v_reversal record;
  v_reversal_no bigint;
  v_total bigint;
  v_from_hold bigint;
  v_reversed bigint := 0;
begin
  select array_agg(f.fund_no order by f.closes_at, f.fund_no), array_agg(f.opens_at order by f.closes_at, f.fund_no),
    array_agg(f.closes_at order by f.closes_at, f.fund_no),
    array_agg(coalesce(p.held_micro, 0) order by f.closes_at, f.fund_no),
    array_agg(f.granted_micro - f.settled_micro - f.held_micro order by f.closes_at, f.fund_no),
    array_agg(f.expired_micro order by f.closes_at, f.fund_no)
  into v_fund_nos, v_opens, v_closes, v_parts, v_free, v_expired
  from ledger.funds f
  left join ledger.hold_parts p on p.hold_no = p_hold.hold_no and p.fund_no = f.fund_no
  where f.account_no = p_account_no and f.source <> 'overdraft';
  select f.fund_no, coalesce(p.held_micro, 0) into strict v_overdraft_no, v_overdraft_part
  from ledger.funds f
  left join ledger.hold_parts p on p.hold_no = p_hold.hold_no and p.fund_no = f.fund_no
  where f.account_no = p_account_no and f.source = 'overdraft';
  v_funds := coalesce(cardinality(v_fund_nos), 0);

  for v_piece in select * from ledger.cut_pieces(p_account_no, p_pieces) loop
    v_left := v_piece.amount_micro;
    v_piece_no := v_piece_no + 1;

    for i in 1 .. v_funds loop
      exit when v_left = 0;
      v_take := least(v_left, v_parts[i]);
      if v_take > 0 and v_opens[i] <= v_piece.starts_at and v_closes[i] > v_piece.starts_at then
        v_parts[i] := v_parts[i] - v_take;
        v_left := v_left - v_take;
        d_piece := d_piece || v_piece_no; d_starts := d_starts || v_piece.starts_at; d_ends := d_ends || v_piece.ends_at;
        d_fund := d_fund || v_fund_nos[i]; d_source := d_source || 'h'::"char"; d_amount := d_amount || v_take;
      end if;
    end loop;

    v_take := least(v_left, v_overdraft_part);
    if v_take > 0 then
      v_overdraft_part := v_overdraft_part - v_take;
      v_left := v_left - v_take;
      d_piece := d_piece || v_piece_no; d_starts := d_starts || v_piece.starts_at; d_ends := d_ends || v_piece.ends_at;
      d_fund := d_fund || v_overdraft_no; d_source := d_source || 'h'::"char"; d_amount := d_amount || v_take;
    end if;

    for i in 1 .. v_funds loop
      exit when v_left = 0;
      continue when v_opens[i] > v_piece.starts_at or v_closes[i] <= v_piece.starts_at;
      v_take := least(v_left, v_free[i]);
      if v_take > 0 then
        v_free[i] := v_free[i] - v_take;
        v_left := v_left - v_take;
        d_piece := d_piece || v_piece_no; d_starts := d_starts || v_piece.starts_at; d_ends := d_ends || v_piece.ends_at;
        d_fund := d_fund || v_fund_nos[i]; d_source := d_source || 'a'::"char"; d_amount := d_amount || v_take;
      end if;
      v_take := least(v_left, v_expired[i]);
      if v_take > 0 then
        v_expired[i] := v_expired[i] - v_take;
        v_left := v_left - v_take;
        d_piece := d_piece || v_piece_no; d_starts := d_starts || v_piece.starts_at; d_ends := d_ends || v_piece.ends_at;
        d_fund := d_fund || v_fund_nos[i]; d_source := d_source || 'e'::"char"; d_amount := d_amount || v_take;
      end if;
    end loop;

    if v_left > 0 then
      d_piece := d_piece || v_piece_no; d_starts := d_starts || v_piece.starts_at; d_ends := d_ends || v_piece.ends_at;
      d_fund := d_fund || v_overdraft_no; d_source := d_source || 'a'::"char"; d_amount := d_amount || v_left;
    end if;
  end loop;

  select coalesce(sum(amount), 0), coalesce(sum(amount) filter (where source = 'h'), 0) into v_total, v_from_hold
  from unnest(d_source, d_amount) as drawn (source, amount);
  if v_total = 0 then return 0; end if;

  perform ledger.count_on_caps(p_hold.account_no, p_hold.partition, p_hold.user_name, p_hold.effective_at, 0, -v_from_hold);
  perform ledger.count_on_caps(p_account_no, p_partition, p_user, p_counted_at, v_total, 0);

  for v_reversal in
    select fund, sum(amount)::bigint as amount from unnest(d_fund, d_source, d_amount) as drawn (fund, source, amount)
    where source = 'e' group by fund order by fund
  loop
    v_reversal_no := ledger.write_transaction('expiry', p_account_no, -v_reversal.amount, p_actor,
      'Expiry reversed for use before it', (select min(at) from unnest(d_fund, d_source, d_starts) as drawn (fund, source, at)
        where fund = v_reversal.fund and source = 'e'), p_hold.hold_no, p_charge_no);
    insert into ledger.entries (txn_no, line_no, account_no, fund_no, book, amount_micro) values
      (v_reversal_no, 1, p_account_no, v_reversal.fund, 'e', -v_reversal.amount),
      (v_reversal_no, 2, p_account_no, v_reversal.fund, 'a', v_reversal.amount);
    v_reversed := v_reversed + v_reversal.amount;
  end loop;

  insert into ledger.entries (txn_no, line_no, account_no, fund_no, book, amount_micro)
  select p_txn_no, row_number() over (order by line.fund, line.book), p_account_no, line.fund, line.book, sum(line.amount)
  from (
    select fund, case when source = 'h' then 'h'::"char" else 'a' end as book, -amount as amount
    from unnest(d_fund, d_source, d_amount) as drawn (fund, source, amount)
    union all
    select fund, 's', amount from unnest(d_fund, d_amount) as drawn (fund, amount)
  ) as line
  group by line.fund, line.book;

  insert into ledger.charge_pieces (txn_no, piece_no, charge_no, fund_no, starts_at, ends_at, amount_micro)
  select p_txn_no, row_number() over (order by drawn.piece, drawn.fund), p_charge_no, drawn.fund, drawn.starts_at, drawn.ends_at,
    sum(drawn.amount)
  from unnest(d_piece, d_starts, d_ends, d_fund, d_amount) as drawn (piece, starts_at, ends_at, fund, amount)
  group by drawn.piece, drawn.starts_at, drawn.ends_at, drawn.fund;

  update ledger.funds f
  set settled_micro = f.settled_micro + drawn.amount, held_micro = f.held_micro - drawn.from_hold,
    granted_micro = f.granted_micro + drawn.reversed, expired_micro = f.expired_micro - drawn.reversed
  from (
    select fund, sum(amount) as amount, coalesce(sum(amount) filter (where source = 'h'), 0) as from_hold,
      coalesce(sum(amount) filter (where source = 'e'), 0) as reversed
    from unnest(d_fund, d_source, d_amount) as drawn (fund, source, amount)
    group by fund
  ) as drawn
  where f.fund_no = drawn.fund;

  if v_from_hold > 0 then
    update ledger.hold_parts p
    set held_micro = p.held_micro - drawn.amount
    from (
      select fund, sum(amount) as amount from unnest(d_fund, d_source, d_amount) as drawn (fund, source, amount)
      where source = 'h' group by fund
    ) as drawn
    where p.hold_no = p_hold.hold_no and p.fund_no = drawn.fund;
    update ledger.holds set held_micro = held_micro - v_from_hold where hold_no = p_hold.hold_no;
  end if;

  perform ledger.move_totals(p_account_no, v_reversed, v_total, -v_from_hold);
  if v_overdraft_no = any (d_fund) then perform ledger.flag_overspending(p_account_no); end if;
  return v_from_hold;
end;
$$;
