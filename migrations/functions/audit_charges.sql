-- audit_charges: every charge is what its transactions say, and its pieces say when each fund paid how much.
create function ledger.audit_charges() returns table (check_name text, subject text, detail text, difference_micro numeric)
language sql stable
as $$
  with moved as (
    select coalesce(charge_no, txn_no) as charge_no,
      coalesce(sum(amount_micro) filter (where kind = 'charge'), 0) as amount,
      coalesce(sum(amount_micro) filter (where kind = 'adjustment'), 0) as adjusted,
      coalesce(sum(amount_micro) filter (where kind = 'refund'), 0) as refunded
    from ledger.transactions where kind in ('charge', 'adjustment', 'refund')
    group by 1
  ), settled as (
    select txn_no, fund_no, sum(amount_micro) as amount from ledger.entries where book = 's' group by txn_no, fund_no
  ), pieces as (
    select txn_no, fund_no, sum(amount_micro) as amount from ledger.charge_pieces group by txn_no, fund_no
  )
  select 'charge_matches_its_transactions', format('charge %s', coalesce(c.charge_no, moved.charge_no)),
    format('%s is %s, its transactions say %s', what.name, ledger.decimal_of(what.kept), ledger.decimal_of(what.said::bigint)), abs(what.kept - what.said)
  from moved full join ledger.charges c on c.charge_no = moved.charge_no
  cross join lateral (values
    ('amount', coalesce(c.amount_micro, 0), coalesce(moved.amount, 0)), ('adjusted', coalesce(c.adjusted_micro, 0), coalesce(moved.adjusted, 0)),
    ('refunded', coalesce(c.refunded_micro, 0), coalesce(moved.refunded, 0))) as what (name, kept, said)
  where what.kept <> what.said
  union all
  select 'charge_and_transaction_exist', format('charge %s', coalesce(c.charge_no, moved.charge_no)),
    case when c.charge_no is null then 'its row is missing' else 'its transaction is missing' end, 0
  from moved full join ledger.charges c on c.charge_no = moved.charge_no
  where c.charge_no is null or moved.charge_no is null
  union all
  select 'pieces_match_their_lines', format('transaction %s, fund %s', coalesce(settled.txn_no, pieces.txn_no), coalesce(settled.fund_no, pieces.fund_no)),
    format('pieces for %s, lines for %s', ledger.decimal_of(coalesce(pieces.amount, 0)::bigint), ledger.decimal_of(coalesce(settled.amount, 0)::bigint)),
    abs(coalesce(settled.amount, 0) - coalesce(pieces.amount, 0))
  from settled full join pieces on pieces.txn_no = settled.txn_no and pieces.fund_no = settled.fund_no
  where coalesce(settled.amount, 0) <> coalesce(pieces.amount, 0)
  union all
  select 'piece_belongs_to_its_charge', format('transaction %s', p.txn_no), format('a piece names charge %s', p.charge_no), 0
  from ledger.charge_pieces p left join ledger.transactions t on t.txn_no = p.txn_no
  where coalesce(t.charge_no, t.txn_no) is distinct from p.charge_no
$$;
