-- book_asbb brings some ASBB accounts into the ledger with all that happened in them: each of ASBB's transactions is one of
-- ours, under ASBB's id, of ASBB's time, with lines that sum to zero. An account arrives whole or not at all; which it is, is in
-- ledger.imported_accounts, and who asks again gets nothing twice. Returns how many transactions were written.
--
-- As booked: the account was given its limit, its charges are what ASBB charged, repeated ones too, and what negative charges
-- gave it is a deposit that says so. "correct" adds the corrections, visibly: an adjustment of each repeated charge, a
-- withdrawal of what a negative one gave. In both cases what ASBB held for ever comes back, at the time of the import.
--
-- All of an account's money is in its base fund, in the order of time; what was charged or is held beyond it is overdraft.
-- Repeated charges come last in that order, so that taking them back leaves no debt beside free money. A hold that is closed
-- by now is booked on the base fund alone: it is zero in the end, and only what was charged beyond the money was never there.
--
-- These accounts are new and nobody can see them before this commits, so no lock is needed. Settings: {unit, cluster_no,
-- time_zone, correct, actor}.
create function ledger.book_asbb(p_import_no bigint, p_account_ids bigint[], p_settings jsonb, p_at timestamptz) returns bigint
language plpgsql volatile
set enable_nestloop = off -- See read_asbb.
set jit = off
as $$
declare
  v_correct constant boolean := (p_settings ->> 'correct')::boolean;
  v_cluster constant ledger.clusters := (select c from ledger.clusters c where cluster_no = (p_settings ->> 'cluster_no')::int);
  v_actor constant text := p_settings ->> 'actor';
  v_fund_id constant text := ledger.new_id('fund');
  v_txn_id constant text := ledger.new_id('txn');
  v_ids bigint[];
  v_account_nos bigint[];
  v_written bigint;
begin
  perform pg_current_xact_id(); -- Before any number is drawn (see next_txn_no).
  select coalesce(array_agg(s.id order by s.id), '{}') into v_ids
  from ledger.asbb_accounts s
  where s.id = any (p_account_ids) and not exists (
    select from ledger.accounts a join ledger.imported_accounts i using (account_no) where a.name = s.name);

  with made as (
    insert into ledger.accounts (account_no, name, title, description, unit, time_zone, status, starts_at, ends_at, root_no)
    overriding system value
    select no, name, title, coalesce(description, ''), p_settings ->> 'unit', p_settings ->> 'time_zone',
      case when status = 'expired' then case when ends_at <= p_at then 'active' else 'inactive' end else status end,
      starts_at, ends_at, no
    from (
      select *, nextval(pg_get_serial_sequence('ledger.accounts', 'account_no')) as no
      from (select * from ledger.asbb_accounts where id = any (v_ids) order by created_at, id) s
    ) numbered
    returning account_no
  )
  select coalesce(array_agg(account_no), '{}') into v_account_nos from made;
  insert into ledger.account_totals (account_no) select unnest(v_account_nos);
  insert into ledger.funds (fund_id, account_no, source, opens_at, closes_at)
  select ledger.bulk_id(v_fund_id), a.account_no, f.source, f.opens_at, f.closes_at
  from ledger.accounts a
  cross join lateral (values ('base', a.starts_at, a.ends_at), ('overdraft', '-infinity', 'infinity')) as f (source, opens_at, closes_at)
  where a.account_no = any (v_account_nos);
  insert into ledger.imported_accounts (account_no, import_no, origin, last_id)
  select a.account_no, p_import_no, ledger.asbb_origin(s), b.last_id
  from ledger.asbb_accounts s join ledger.accounts a using (name) join ledger.asbb_balances b on b.account_id = s.id
  where s.id = any (v_ids);

  with account as materialized (
    select s.id as account_id, a.account_no, base.fund_no as base_no, over.fund_no as over_no, s.starts_at, s.limit_micro,
      s.limit_micro + case when v_correct then 0 else b.given_micro end as money_micro
    from ledger.asbb_accounts s
    join ledger.accounts a using (name)
    join ledger.funds base on base.account_no = a.account_no and base.source = 'base'
    join ledger.funds over on over.account_no = a.account_no and over.source = 'overdraft'
    join ledger.asbb_balances b on b.account_id = s.id
    where s.id = any (v_ids)
  ), read as (
    select t.id, t.transaction_id, nullif(t.job_id, '') as job_id, t.type, t.amount_micro, t.description, t.metadata, t.created_at,
      r.role, r.hold_id, r.hold_micro, r.charge_id, r.release_id, r.how, r.repeats_id, r.applied_micro, account.*,
      -- Where each charge lies in the order in which the money is used up, and how much of it that is.
      (sum(r.applied_micro) filter (where r.role = 'charge') over (
        partition by t.account_id order by r.role = 'charge' and r.repeats_id is not null, t.created_at, t.id))::bigint as charged_through,
      (sum(r.applied_micro) filter (where r.role = 'charge' and not (v_correct and r.repeats_id is not null)) over (
        partition by t.account_id))::bigint as charged,
      (sum(r.applied_micro) filter (where r.role = 'open') over (partition by t.account_id order by t.created_at, t.id))::bigint as open_through
    from ledger.asbb_transactions t
    join ledger.asbb_readings r on r.id = t.id and r.account_id = t.account_id and r.account_id = any (v_ids)
    join account on account.account_id = t.account_id
    where t.account_id = any (v_ids)
  ), split as materialized (
    select *, applied_micro - base_micro as over_micro,
      case when role = 'charge' and hold_id is not null then least(hold_micro, base_micro) else 0 end as from_hold
    from (
      select *, greatest(0, least(applied_micro, case role
        when 'charge' then money_micro - (charged_through - applied_micro)
        when 'open' then money_micro - coalesce(charged, 0) - (open_through - applied_micro)
        else applied_micro end)) as base_micro
      from read) r
  ), cost as materialized (
    select id, applied_micro, over_micro, from_hold from split where role in ('charge', 'negative')
  ), refund as (
    select id, applied_micro - over_micro as base_micro, over_micro
    from (
      -- What was drawn last goes back first: the debt.
      select s.id, s.applied_micro, least(s.applied_micro, greatest(0, c.over_micro - (sum(s.applied_micro) over (partition by s.charge_id order by s.id) - s.applied_micro)))::bigint as over_micro
      from split s join cost c on c.id = s.charge_id
      where s.role = 'refund') r
  ), movement as (
    select account_id, 0::bigint as id, 0 as rank, 'deposit' as kind, null::text as transaction_id, limit_micro as amount,
      least(starts_at, p_at) as at, 'Budget limit in ASBB' as description, null::bigint as hold_id, null::bigint as charge_id,
      limit_micro as a_base, 0::bigint as a_over, 0::bigint as h_base, 0::bigint as h_over, 0::bigint as s_base, 0::bigint as s_over, -limit_micro as x_base
    from account where limit_micro > 0
    union all
    select account_id, id, 1, 'hold', transaction_id, applied_micro, created_at, description, id, null,
      -base_micro, base_micro - applied_micro, base_micro, applied_micro - base_micro, 0, 0, 0
    from split where type = 'hold'
    union all
    select account_id, id, 3, 'release', null, applied_micro, p_at, 'Never released by ASBB; closed when it was imported', id, null,
      applied_micro, 0, -applied_micro, 0, 0, 0, 0
    from split where role = 'closed' and applied_micro > 0
    union all
    select account_id, id, 2, 'charge', transaction_id, applied_micro, created_at, description, hold_id, id,
      from_hold - base_micro, -over_micro, -from_hold, 0, base_micro, over_micro, 0
    from split where role = 'charge'
    union all
    select account_id, id, 2, 'charge', transaction_id, 0, created_at, description, null, id, 0, 0, 0, 0, 0, 0, 0
    from split where role = 'void' and type = 'charge'
    union all
    select s.account_id, s.id, 3, 'release', beside.transaction_id, s.hold_micro - s.from_hold, coalesce(beside.created_at, s.created_at),
      coalesce(beside.description, 'Rest of the hold'), s.hold_id, null,
      s.hold_micro - s.from_hold, 0, s.from_hold - s.hold_micro, 0, 0, 0, 0
    from split s left join split beside on beside.id = s.release_id
    where s.role in ('charge', 'negative') and s.hold_id is not null and (s.hold_micro > s.from_hold or beside.id is not null)
    union all
    select s.account_id, s.id, 4, 'adjustment', null, -s.applied_micro, p_at,
      format('Charged twice in ASBB: the same cost as %s', first.transaction_id), null, s.id,
      s.base_micro, s.over_micro, 0, 0, -s.base_micro, -s.over_micro, 0
    from split s left join split first on first.id = s.repeats_id
    where v_correct and s.role = 'charge' and s.repeats_id is not null and s.applied_micro > 0
    union all
    select account_id, id, 2, 'deposit', transaction_id, -applied_micro, created_at, format('Negative charge in ASBB: %s', description), null, null,
      -applied_micro, 0, 0, 0, 0, 0, applied_micro
    from split where role = 'negative'
    union all
    select account_id, id, 4, 'withdrawal', null, -applied_micro, p_at, format('Negative charge in ASBB taken back: %s', transaction_id), null, null,
      applied_micro, 0, 0, 0, 0, 0, -applied_micro
    from split where v_correct and role = 'negative'
    union all
    select account_id, id, 3, 'release', transaction_id, hold_micro, created_at, description, hold_id, null, hold_micro, 0, -hold_micro, 0, 0, 0, 0
    from split where role = 'release' and charge_id is null
    union all
    select s.account_id, s.id, 3, 'refund', s.transaction_id, s.applied_micro, s.created_at, s.description, null, s.charge_id,
      f.base_micro, f.over_micro, 0, 0, -f.base_micro, -f.over_micro, 0
    from split s left join refund f on f.id = s.id
    where s.role = 'refund'
    union all
    -- It moved nothing in ASBB and moves nothing here, but its id stays known.
    select account_id, id, 3, case when type = 'refund' then 'release' else 'withdrawal' end, transaction_id, 0, created_at,
      format('Without effect in ASBB (%s %s): %s', type, ledger.decimal_of(amount_micro), description), null, null, 0, 0, 0, 0, 0, 0, 0
    from split where role = 'void' and type not in ('hold', 'charge')
  ), numbered as materialized (
    select nextval('ledger.txn_numbers') as txn_no, ordered.* from (select * from movement order by at, rank, account_id, id) ordered
  ), hold_number as materialized (
    select id, txn_no from numbered where kind = 'hold'
  ), charge_number as materialized (
    select id, txn_no from numbered where kind = 'charge'
  ), written as (
    insert into ledger.transactions (
      txn_no, transaction_id, kind, account_no, hold_no, charge_no, amount_micro, actor, description, metadata, effective_at, recorded_at)
    select n.txn_no, case when n.kind = 'hold' then null else coalesce(n.transaction_id, ledger.bulk_id(v_txn_id)) end, n.kind, account.account_no,
      h.txn_no, case when n.kind <> 'charge' then c.txn_no end, n.amount, v_actor, n.description,
      case when n.kind = 'charge' and s.how = 'inferred' then coalesce(case when jsonb_typeof(s.metadata) = 'object' then s.metadata end, '{}') || '{"hold": "inferred"}'
        when n.transaction_id is not null then s.metadata end,
      n.at, case when n.transaction_id is null then p_at else n.at end
    from numbered n
    join account using (account_id)
    left join split s on s.id = n.id
    left join hold_number h on h.id = n.hold_id
    left join charge_number c on c.id = n.charge_id
    returning 1
  ), line as (
    -- Seven passes over what is numbered, and a sort: a list of seven values beside every movement takes eight times as long.
    insert into ledger.entries (txn_no, line_no, account_no, fund_no, book, amount_micro)
    select l.txn_no, l.line_no, account.account_no, case when l.line_no > 4 then account.over_no else account.base_no end, l.book, l.amount
    from (
      select txn_no, account_id, 1 as line_no, 'a'::"char" as book, a_base as amount from numbered where a_base <> 0
      union all select txn_no, account_id, 2, 'h', h_base from numbered where h_base <> 0
      union all select txn_no, account_id, 3, 's', s_base from numbered where s_base <> 0
      union all select txn_no, account_id, 4, 'x', x_base from numbered where x_base <> 0
      union all select txn_no, account_id, 5, 'a', a_over from numbered where a_over <> 0
      union all select txn_no, account_id, 6, 'h', h_over from numbered where h_over <> 0
      union all select txn_no, account_id, 7, 's', s_over from numbered where s_over <> 0) l
    join account using (account_id)
    order by l.txn_no, l.line_no
  ), held as (
    insert into ledger.holds (
      hold_no, hold_id, account_no, cluster_no, partition, user_name, status, placed_micro, held_micro, charged_micro, released_micro,
      effective_at, placed_at, closed_at)
    select n.txn_no, s.transaction_id, s.account_no, v_cluster.cluster_no,
      coalesce(nullif(s.metadata ->> 'partition', ''), v_cluster.default_partition, ''), nullif(s.metadata ->> 'user_id', ''),
      case when s.role = 'open' then 'open' when s.role = 'settled' then 'settled' else 'released' end,
      s.applied_micro, case when s.role = 'open' then s.applied_micro else 0 end,
      case when s.role = 'settled' then c.applied_micro else 0 end,
      case s.role when 'open' then 0 when 'void' then 0 when 'settled' then s.applied_micro - c.from_hold else s.applied_micro end,
      s.created_at, s.created_at,
      case s.role when 'open' then null when 'closed' then p_at else coalesce(ended.created_at, s.created_at) end
    from numbered n
    join split s on s.id = n.id
    left join cost c on c.id = s.charge_id
    left join split ended on ended.id = s.charge_id
    where n.kind = 'hold'
  ), part as (
    insert into ledger.hold_parts (hold_no, fund_no, held_micro)
    select n.txn_no, p.fund_no, p.held
    from numbered n join account using (account_id)
    join split s on s.id = n.id and s.role = 'open'
    cross join lateral (values (account.base_no, n.h_base), (account.over_no, n.h_over)) as p (fund_no, held)
    where n.kind = 'hold' and p.held > 0
  ), told as (
    insert into ledger.outbox (hold_no, kind)
    select n.txn_no, 'start' from numbered n join split s on s.id = n.id and s.role = 'open' where n.kind = 'hold'
  ), refunded as (
    select charge_id, sum(applied_micro) as micro from split where role = 'refund' group by charge_id
  ), charged as (
    insert into ledger.charges (
      charge_no, run_key, account_no, hold_no, cluster_no, job_id, source, amount_micro, adjusted_micro, refunded_micro,
      reported_numeral, reported_micro)
    select n.txn_no, format('%s/%s/asbb/%s', v_cluster.name, coalesce(s.job_id, s.transaction_id), s.transaction_id), s.account_no, h.txn_no,
      v_cluster.cluster_no, coalesce(s.job_id, s.transaction_id), 'reported', n.amount,
      case when v_correct and s.role = 'charge' and s.repeats_id is not null then -n.amount else 0 end, coalesce(r.micro, 0),
      ledger.decimal_of(n.amount), n.amount
    from numbered n
    join split s on s.id = n.id
    left join hold_number h on h.id = n.hold_id
    left join refunded r on r.charge_id = n.id
    where n.kind = 'charge'
  ), piece as (
    insert into ledger.charge_pieces (txn_no, piece_no, charge_no, fund_no, starts_at, ends_at, amount_micro)
    select n.txn_no, p.piece_no, c.txn_no, p.fund_no, s.created_at, s.created_at, p.amount
    from numbered n join account using (account_id)
    join charge_number c on c.id = n.charge_id
    join split s on s.id = n.charge_id
    cross join lateral (values (1, account.base_no, n.s_base), (2, account.over_no, n.s_over)) as p (piece_no, fund_no, amount)
    where n.kind in ('charge', 'refund', 'adjustment') and p.amount <> 0
  ), moved as materialized (
    select account_id, coalesce(-sum(x_base), 0)::bigint as granted, coalesce(sum(s_base), 0)::bigint as s_base, coalesce(sum(s_over), 0)::bigint as s_over,
      coalesce(sum(h_base), 0)::bigint as h_base, coalesce(sum(h_over), 0)::bigint as h_over
    from numbered group by account_id
  ), side as materialized (
    -- Apart, or every fund is looked for among all.
    select side.* from moved join account using (account_id)
    cross join lateral (values (base_no, granted, s_base, h_base), (over_no, 0, s_over, h_over)) as side (fund_no, granted, settled, held)
    where (side.granted, side.settled, side.held) <> (0, 0, 0)
  ), fund as (
    update ledger.funds f
    set granted_micro = side.granted, settled_micro = side.settled, held_micro = side.held
    from side
    where f.fund_no = side.fund_no
  ), total as (
    update ledger.account_totals t
    set granted_micro = m.granted, settled_micro = m.s_base + m.s_over, held_micro = m.h_base + m.h_over,
      subtree_settled_micro = m.s_base + m.s_over, subtree_held_micro = m.h_base + m.h_over, was_funded = m.granted > 0
    from moved m join account using (account_id)
    where t.account_no = account.account_no
  )
  select count(*) into v_written from written;

  insert into ledger.limits (account_no, partition, limit_micro)
  select a.account_no, l.partition, l.limit_micro
  from ledger.asbb_limits l join ledger.asbb_accounts s on s.id = l.account_id join ledger.accounts a using (name)
  where l.account_id = any (v_ids);
  -- What follows looks account by account, through indexes.
  perform set_config('enable_nestloop', 'on', true);
  perform ledger.recount_limits(account_no) from (select distinct account_no from ledger.limits where account_no = any (v_account_nos)) l;
  perform ledger.flag_overspending(account_no) from ledger.funds
  where account_no = any (v_account_nos) and source = 'overdraft' and settled_micro + held_micro > 0;

  insert into ledger.changes (subject, name, action, actor, after)
  select 'account', a.name, 'create_account', v_actor, ledger.settings_of_account(a.account_no)
  from ledger.accounts a where a.account_no = any (v_account_nos)
  union all
  select 'limit', a.name, 'set_limit', v_actor, ledger.settings_of_limit(l)
  from ledger.limits l join ledger.accounts a using (account_no) where a.account_no = any (v_account_nos);
  return v_written;
end;
$$;
