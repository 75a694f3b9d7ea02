-- audit_transactions: the lines of every transaction sum to zero, say what the transaction says, and belong to it.
create function ledger.audit_transactions() returns table (check_name text, subject text, detail text, difference_micro numeric)
language sql stable
as $$
  with line as (
    select e.txn_no, sum(e.amount_micro) as total,
      coalesce(sum(e.amount_micro) filter (where e.book = 'a'), 0) as a,
      coalesce(sum(e.amount_micro) filter (where e.book = 'h'), 0) as h,
      coalesce(sum(e.amount_micro) filter (where e.book = 's'), 0) as s,
      coalesce(sum(e.amount_micro) filter (where e.book = 'e'), 0) as e,
      coalesce(sum(e.amount_micro) filter (where e.book = 'x'), 0) as x,
      coalesce(sum(e.amount_micro) filter (where e.amount_micro > 0 and e.account_no = t.other_account_no), 0) as brought,
      count(*) filter (where f.fund_no is null or f.account_no <> e.account_no
        or (e.account_no <> t.account_no and e.account_no is distinct from t.other_account_no)) as foreign_lines
    from ledger.entries e
    left join ledger.transactions t on t.txn_no = e.txn_no
    left join ledger.funds f on f.fund_no = e.fund_no
    group by e.txn_no
  ), meant as (
    select t.txn_no, t.kind, t.amount_micro,
      case t.kind when 'charge' then t.amount_micro when 'adjustment' then t.amount_micro when 'refund' then -t.amount_micro else 0 end as s,
      case t.kind when 'hold' then t.amount_micro when 'resize' then t.amount_micro when 'release' then -t.amount_micro else 0 end as h,
      case t.kind when 'expiry' then t.amount_micro else 0 end as e,
      case t.kind when 'deposit' then -t.amount_micro when 'withdrawal' then t.amount_micro else 0 end as x,
      case t.kind when 'transfer' then t.amount_micro else 0 end as brought
    from ledger.transactions t
  )
  select 'transaction_sums_to_zero', format('transaction %s', txn_no), format('its lines sum to %s', ledger.decimal_of(total::bigint)), abs(total)
  from line where total <> 0
  union all
  select 'line_without_transaction', format('transaction %s', line.txn_no), 'there are lines but no transaction', abs(line.a) + abs(line.h) + abs(line.s)
  from line left join meant using (txn_no) where meant.txn_no is null
  union all
  select 'line_in_foreign_account', format('transaction %s', txn_no), format('%s lines name an account or fund that is not the transaction''s', foreign_lines), 0
  from line where foreign_lines > 0
  union all
  select 'transaction_says_its_lines', format('transaction %s', meant.txn_no),
    format('a %s of %s has lines: available %s, held %s, settled %s, expired %s, outside %s', meant.kind, ledger.decimal_of(meant.amount_micro),
      ledger.decimal_of(coalesce(line.a, 0)::bigint), ledger.decimal_of(coalesce(line.h, 0)::bigint), ledger.decimal_of(coalesce(line.s, 0)::bigint),
      ledger.decimal_of(coalesce(line.e, 0)::bigint), ledger.decimal_of(coalesce(line.x, 0)::bigint)),
    abs(meant.s - coalesce(line.s, 0)) + abs(meant.e - coalesce(line.e, 0)) + abs(meant.x - coalesce(line.x, 0)) + abs(meant.brought - coalesce(line.brought, 0))
      + case when meant.kind in ('charge', 'adjustment') then greatest(0, coalesce(line.h, 0)) else abs(meant.h - coalesce(line.h, 0)) end
  from meant left join line using (txn_no)
  where meant.s <> coalesce(line.s, 0) or meant.e <> coalesce(line.e, 0) or meant.x <> coalesce(line.x, 0) or meant.brought <> coalesce(line.brought, 0)
    or (meant.kind in ('charge', 'adjustment') and coalesce(line.h, 0) > 0)
    or (meant.kind not in ('charge', 'adjustment') and meant.h <> coalesce(line.h, 0))
$$;
