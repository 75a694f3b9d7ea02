-- book_accounts makes some of the accounts that place_accounts has placed: the account, its standing funds, its limit as a deposit,
-- and what was used of it before as one charge without a job. finish_accounts does what is left once all are made, in the same
-- transaction. Settings: {cluster_no, actor}.
create function ledger.book_accounts(p_import_no bigint, p_from bigint, p_to bigint, p_settings jsonb, p_at timestamptz) returns bigint
language plpgsql volatile
set enable_nestloop = off
set jit = off
as $$
declare
  v_actor constant text := p_settings ->> 'actor';
  v_fund_id constant text := ledger.new_id('fund');
  v_txn_id constant text := ledger.new_id('txn');
  v_made bigint;
begin
  perform pg_current_xact_id(); -- Before any number is drawn (see next_txn_no).
  insert into ledger.accounts (
    account_no, name, title, description, unit, time_zone, status, starts_at, ends_at, parent_no, root_no, ancestors, on_exhaustion, overdraft_limit_micro)
  overriding system value
  select p.account_no, r.name, r.title, coalesce(r.description, ''), r.unit, r.time_zone, r.status, r.starts_at, r.ends_at, p.parent_no, p.root_no,
    p.ancestors, case when r.overdraft_micro > 0 then 'overdraft' else 'deny' end, coalesce(r.overdraft_micro, 0)
  from ledger.account_places p join ledger.account_rows r using (line)
  where p.place between p_from and p_to order by p.place;
  get diagnostics v_made = row_count;

  insert into ledger.funds (fund_id, account_no, source, opens_at, closes_at, granted_micro, settled_micro)
  select ledger.bulk_id(v_fund_id), p.account_no, f.source, f.opens_at, f.closes_at, f.granted, f.settled
  from ledger.account_places p join ledger.account_rows r using (line)
  cross join lateral (values
    ('base', r.starts_at, r.ends_at, r.limit_micro, least(r.used_micro, r.limit_micro)),
    ('overdraft', '-infinity', 'infinity', 0, greatest(0, r.used_micro - r.limit_micro))) as f (source, opens_at, closes_at, granted, settled)
  where p.place between p_from and p_to;

  insert into ledger.account_totals (account_no, granted_micro, settled_micro, subtree_settled_micro, subtree_limit_micro, was_funded)
  select p.account_no, r.limit_micro, r.used_micro, r.used_micro, r.subtree_limit_micro, r.limit_micro > 0
  from ledger.account_places p join ledger.account_rows r using (line) where p.place between p_from and p_to;

  insert into ledger.imported_accounts (account_no, import_no, origin)
  select p.account_no, p_import_no, r.origin
  from ledger.account_places p join ledger.account_rows r using (line) where p.place between p_from and p_to;

  with movement as materialized (
    select nextval('ledger.txn_numbers') as txn_no, m.*
    from (
      select p.account_no, r.name, base.fund_no as base_no, over.fund_no as over_no, m.kind, m.amount, least(m.amount, r.limit_micro) as in_base,
        case m.kind when 'deposit' then least(r.starts_at, p_at)
          else greatest(r.starts_at, least(p_at, r.ends_at - interval '1 microsecond')) end as at
      from ledger.account_places p
      join ledger.account_rows r using (line)
      join ledger.funds base on base.account_no = p.account_no and base.source = 'base'
      join ledger.funds over on over.account_no = p.account_no and over.source = 'overdraft'
      cross join lateral (values ('deposit', r.limit_micro), ('charge', r.used_micro)) as m (kind, amount)
      where p.place between p_from and p_to and m.amount > 0
      order by p.place, m.kind desc
    ) m
  ), written as (
    insert into ledger.transactions (txn_no, transaction_id, kind, account_no, amount_micro, actor, description, effective_at, recorded_at)
    select txn_no, ledger.bulk_id(v_txn_id), kind, account_no, amount, v_actor,
      case kind when 'deposit' then 'Budget of the new account' else 'Used before it was imported' end, at, p_at
    from movement
  ), line as (
    insert into ledger.entries (txn_no, line_no, account_no, fund_no, book, amount_micro)
    select m.txn_no, l.line_no, m.account_no, l.fund_no, l.book, l.amount
    from movement m
    cross join lateral (
      select 1 as line_no, base_no as fund_no, 'a'::"char" as book, case kind when 'deposit' then amount else -in_base end as amount
      union all select 2, base_no, case kind when 'deposit' then 'x' else 's' end::"char", case kind when 'deposit' then -amount else in_base end
      union all select 3, over_no, 'a', in_base - amount where kind = 'charge'
      union all select 4, over_no, 's', amount - in_base where kind = 'charge') l
    where l.amount <> 0
  ), charged as (
    insert into ledger.charges (
      charge_no, run_key, account_no, cluster_no, job_id, source, amount_micro, reported_numeral, reported_micro, started_at, ended_at)
    select txn_no, format('opening/%s', name), account_no, (p_settings ->> 'cluster_no')::int, 'opening-balance', 'reported', amount,
      ledger.decimal_of(amount), amount, at, at
    from movement where kind = 'charge'
  )
  insert into ledger.charge_pieces (txn_no, piece_no, charge_no, fund_no, starts_at, ends_at, amount_micro)
  select m.txn_no, p.piece_no, m.txn_no, p.fund_no, m.at, m.at, p.amount
  from movement m
  cross join lateral (values (1, base_no, in_base), (2, over_no, amount - in_base)) as p (piece_no, fund_no, amount)
  where m.kind = 'charge' and p.amount > 0;

  insert into ledger.changes (subject, name, action, actor, after)
  select 'account', r.name, 'create_account', v_actor, jsonb_strip_nulls(jsonb_build_object(
    'name', r.name, 'title', r.title, 'description', coalesce(r.description, ''), 'unit', r.unit, 'time_zone', r.time_zone, 'status', r.status,
    'starts_at', r.starts_at, 'ends_at', r.ends_at, 'parent', r.parent, 'subtree_limit_micro', r.subtree_limit_micro::text,
    'on_exhaustion', case when r.overdraft_micro > 0 then 'overdraft' else 'deny' end,
    'overdraft_limit_micro', coalesce(r.overdraft_micro, 0)::text, 'on_requeue_shortfall', 'run_on', 'archived', false))
  from ledger.account_places p join ledger.account_rows r using (line) where p.place between p_from and p_to;
  return v_made;
end;
$$;
