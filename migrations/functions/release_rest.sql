-- release_rest closes a hold and gives back what is left of it, once: held -> available. A hold that was charged ends
-- settled, one that was not, released. What returns to a fund that has closed meanwhile expires in the same transaction
-- (rulings 7). Returns the number of the release, null where nothing was left. The caller holds the tree's lock.
create function ledger.release_rest(
  p_hold_no bigint, p_description text, p_actor text, p_effective_at timestamptz, p_now timestamptz
) returns bigint
language plpgsql volatile
as $$
declare
  v_hold ledger.holds;
  v_txn_no bigint;
  v_closed boolean;
begin
  select * into strict v_hold from ledger.holds where hold_no = p_hold_no;
  if v_hold.status <> 'open' then return null; end if;

  if v_hold.held_micro > 0 then
    perform ledger.count_on_caps(v_hold.account_no, v_hold.partition, v_hold.user_name, v_hold.effective_at, 0, -v_hold.held_micro);
  end if;
  update ledger.holds
  set held_micro = 0, released_micro = released_micro + held_micro, closed_at = p_now,
    status = case when exists (select from ledger.charges where hold_no = p_hold_no) then 'settled' else 'released' end
  where hold_no = p_hold_no;
  if v_hold.held_micro = 0 then return null; end if;

  v_txn_no := ledger.write_transaction('release', v_hold.account_no, v_hold.held_micro, p_actor, p_description, p_effective_at, p_hold_no);
  insert into ledger.entries (txn_no, line_no, account_no, fund_no, book, amount_micro)
  select v_txn_no, row_number() over (order by part.fund_no, line.book desc), v_hold.account_no, part.fund_no, line.book,
    line.sign * part.held_micro
  from ledger.hold_parts part
  cross join (values ('h'::"char", -1), ('a'::"char", 1)) as line (book, sign)
  where part.hold_no = p_hold_no and part.held_micro > 0;

  with returned as (
    update ledger.funds f set held_micro = f.held_micro - part.held_micro
    from ledger.hold_parts part
    where part.hold_no = p_hold_no and part.held_micro > 0 and f.fund_no = part.fund_no
    returning f.closes_at
  )
  select bool_or(closes_at <= p_now) into v_closed from returned;
  update ledger.hold_parts set held_micro = 0 where hold_no = p_hold_no and held_micro > 0;
  perform ledger.move_totals(v_hold.account_no, 0, 0, -v_hold.held_micro);
  if v_closed then perform ledger.expire_account(v_hold.account_no, p_now, p_actor); end if;
  return v_txn_no;
end;
$$;
