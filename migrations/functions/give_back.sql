-- give_back returns part of a charge to the funds that paid for it: settled -> available, with pieces that take away what
-- the charge's pieces had. The last piece first (a refund), or from all pieces alike (a cost that was reported lower:
-- each period used that much less).
--
-- What returns to a closed fund is left to the next expiry. The caller holds the tree's lock, has tested that the charge
-- has that much left, and writes the charge's own row afterwards (see count_on_caps).
create function ledger.give_back(
  p_txn_no bigint, p_charge ledger.charges, p_counted_at timestamptz, p_amount_micro bigint, p_from_all boolean
) returns void
language plpgsql volatile
as $$
declare
  v_missing bigint;
begin
  perform ledger.count_on_caps(p_charge.account_no, p_charge.partition, p_charge.user_name, p_counted_at, -p_amount_micro, 0);

  with piece as (
    select p.fund_no, p.starts_at, p.ends_at, sum(p.amount_micro) as amount,
      row_number() over (order by p.starts_at desc, f.closes_at desc, p.fund_no desc, p.ends_at desc) as place
    from ledger.charge_pieces p join ledger.funds f on f.fund_no = p.fund_no
    where p.charge_no = p_charge.charge_no
    group by p.fund_no, f.closes_at, p.starts_at, p.ends_at
    having sum(p.amount_micro) > 0
  ), cumulative as (
    select *, sum(amount) over (order by place) as through, sum(amount) over () as whole from piece
  ), returned as (
    select fund_no, starts_at, ends_at, place, case
      when p_from_all then ledger.divide_half_even(p_amount_micro * through, whole)
        - ledger.divide_half_even(p_amount_micro * (through - amount), whole)
      else greatest(0, least(amount, p_amount_micro - (through - amount))) end as amount
    from cumulative
  )
  insert into ledger.charge_pieces (txn_no, piece_no, charge_no, fund_no, starts_at, ends_at, amount_micro)
  select p_txn_no, row_number() over (order by place), p_charge.charge_no, fund_no, starts_at, ends_at, -amount
  from returned
  where amount > 0;

  select p_amount_micro + coalesce(sum(amount_micro), 0) into v_missing from ledger.charge_pieces where txn_no = p_txn_no;
  if v_missing <> 0 then
    raise exception 'charge % has pieces for % less than it has left', p_charge.charge_no, v_missing;
  end if;

  insert into ledger.entries (txn_no, line_no, account_no, fund_no, book, amount_micro)
  select p_txn_no, row_number() over (order by piece.fund_no, line.book), p_charge.account_no, piece.fund_no, line.book, line.sign * piece.amount
  from (select fund_no, -sum(amount_micro) as amount from ledger.charge_pieces where txn_no = p_txn_no group by fund_no) as piece
  cross join (values ('s'::"char", -1), ('a'::"char", 1)) as line (book, sign);

  update ledger.funds f
  set settled_micro = f.settled_micro + piece.amount
  from (select fund_no, sum(amount_micro) as amount from ledger.charge_pieces where txn_no = p_txn_no group by fund_no) as piece
  where f.fund_no = piece.fund_no;

  perform ledger.move_totals(p_charge.account_no, 0, -p_amount_micro, 0);
  perform ledger.flag_overspending(p_charge.account_no);
end;
$$;
