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
  ), short as materialized (
    select account_id, money_micro
    from account
    join (
      select account_id, sum(applied_micro) as wanted from ledger.asbb_readings
      where account_id = any (v_ids) and role in ('charge', 'open') group by account_id) all_of_it using (account_id)
    where wanted > money_micro
  ), debt as materialized (
    -- Where there was money for all of it nothing is looked for. Elsewhere each charge has its place in the order in which the money is
    -- used up, and open holds come behind all of them.
    select id, (applied_micro - greatest(0, free))::bigint as over_micro
    from (
      select id, applied_micro,
        money_micro + applied_micro - case when role = 'charge' then charged_through else coalesce(charged, 0) + open_through end as free
      from (
        select r.id, r.role, r.applied_micro, short.money_micro,
          sum(r.applied_micro) filter (where r.role = 'charge') over (
            partition by r.account_id order by r.role = 'charge' and r.repeats_id is not null, t.created_at, t.id) as charged_through,
          sum(r.applied_micro) filter (where r.role = 'charge' and not (v_correct and r.repeats_id is not null)) over (
            partition by r.account_id) as charged,
          sum(r.applied_micro) filter (where r.role = 'open') over (partition by r.account_id order by t.created_at, t.id) as open_through
        from short
        join ledger.asbb_readings r on r.account_id = short.account_id and r.account_id = any (v_ids) and r.role in ('charge', 'open')
        join ledger.asbb_transactions t on t.id = r.id and t.account_id = r.account_id and t.account_id = any (v_ids)) placed) used
    where free < applied_micro
  ), repaid as materialized (
    -- What was drawn last goes back first: the debt.
    select id, least(applied_micro, greatest(0, over_micro + applied_micro - through))::bigint as over_micro
    from (
      select r.id, r.applied_micro, debt.over_micro, sum(r.applied_micro) over (partition by r.charge_id order by r.id) as through
      from debt join ledger.asbb_readings r on r.charge_id = debt.id and r.account_id = any (v_ids) and r.role = 'refund') r
  ), said as materialized (
    select *, applied_micro - over_micro as base_micro,
      case when role = 'charge' and hold_id is not null then least(hold_micro, applied_micro - over_micro) else 0 end as from_hold
    from (
      select t.id, account.account_id, account.account_no, account.base_no, account.over_no, t.created_at, r.applied_micro,
        coalesce(debt.over_micro, repaid.over_micro, 0) as over_micro, r.role, t.type, r.hold_id, r.hold_micro, r.charge_id, r.release_id,
        r.repeats_id, t.amount_micro, r.how, t.transaction_id, nullif(t.job_id, '') as job_id, t.description, t.metadata
      from ledger.asbb_transactions t
      join ledger.asbb_readings r on r.id = t.id and r.account_id = t.account_id and r.account_id = any (v_ids)
      join account on account.account_id = t.account_id
      left join debt on debt.id = t.id
      left join repaid on repaid.id = t.id
      where t.account_id = any (v_ids)) r
  ), cost as materialized (
    select id, applied_micro, from_hold, created_at from said where role in ('charge', 'negative')
  ), movement as (
    -- Each of ASBB's. What moved nothing there moves nothing here, but its id stays known.
    select s.account_id, s.account_no, s.base_no, s.over_no, s.id, case s.type when 'hold' then 1 when 'charge' then 2 else 3 end as rank,
      case
        when s.type = 'hold' then 'hold'
        when s.type = 'charge' then case when s.role = 'negative' then 'deposit' else 'charge' end
        when s.role = 'refund' then 'refund'
        when s.type = 'refund' then 'release'
        else 'withdrawal'
      end as kind,
      case s.role when 'release' then s.hold_micro - coalesce(cost.from_hold, 0) when 'negative' then -s.applied_micro else s.base_micro end as base,
      s.over_micro as over, s.from_hold, s.created_at as at,
      case when s.type = 'hold' then s.id when s.role in ('charge', 'release') then s.hold_id end as hold_id,
      case when s.role = 'refund' then s.charge_id end as charge_id,
      coalesce(cost.created_at, s.created_at) as used_at, cost.applied_micro as cost, cost.from_hold as cost_from_hold,
      s.role, s.transaction_id, s.job_id,
      case
        when s.role = 'negative' then 'Negative charge in ASBB: ' || s.description
        when s.role = 'void' and s.type not in ('hold', 'charge') then
          format('Without effect in ASBB (%s %s): %s', s.type, ledger.decimal_of(s.amount_micro), s.description)
        else s.description
      end as description,
      case
        when s.how is distinct from 'inferred' or s.role <> 'charge' then s.metadata
        when jsonb_typeof(s.metadata) = 'object' then s.metadata || '{"hold": "inferred"}'
        else '{"hold": "inferred"}'
      end as metadata,
      v_correct and s.role = 'charge' and s.repeats_id is not null as is_corrected
    from said s left join cost on cost.id = s.charge_id
    union all
    -- And what ASBB has no transaction for.
    select account_id, account_no, base_no, over_no, 0, 0, 'deposit', limit_micro, 0, 0, least(starts_at, p_at), null, null, null, null, null,
      null, null, null, 'Budget limit in ASBB', null, false
    from account where limit_micro > 0
    union all
    select account_id, account_no, base_no, over_no, id, 3, 'release', applied_micro, 0, 0, p_at, id, null, null, null, null,
      null, null, null, 'Never released by ASBB; closed when it was imported', null, false
    from said where role = 'closed' and applied_micro > 0
    union all
    select account_id, account_no, base_no, over_no, id, 3, 'release', hold_micro - from_hold, 0, 0, created_at, hold_id, null, null, null, null,
      null, null, null, 'Rest of the hold', null, false
    from said where role in ('charge', 'negative') and release_id is null and hold_micro > from_hold
    union all
    select s.account_id, s.account_no, s.base_no, s.over_no, s.id, 4, 'adjustment', s.base_micro, s.over_micro, 0, p_at, null, s.id, s.created_at, null, null,
      null, null, null, format('Charged twice in ASBB: the same cost as %s', first.transaction_id), null, false
    from said s left join said first on first.id = s.repeats_id
    where v_correct and s.role = 'charge' and s.repeats_id is not null and s.applied_micro > 0
    union all
    select account_id, account_no, base_no, over_no, id, 4, 'withdrawal', -applied_micro, 0, 0, p_at, null, null, null, null, null,
      null, null, null, format('Negative charge in ASBB taken back: %s', transaction_id), null, false
    from said where v_correct and role = 'negative'
  ), numbered as materialized (
    select nextval('ledger.txn_numbers') as txn_no, account_no, base_no, over_no, base + over as amount,
      -- What a movement of each kind does to the books of the base fund and of the overdraft.
      case kind when 'hold' then -base when 'charge' then from_hold - base when 'withdrawal' then -base else base end as a_base,
      case kind when 'hold' then base when 'charge' then -from_hold when 'release' then -base else 0 end as h_base,
      case kind when 'charge' then base when 'refund' then -base when 'adjustment' then -base else 0 end as s_base,
      case kind when 'deposit' then -base when 'withdrawal' then base else 0 end as x_base,
      case kind when 'hold' then -over when 'charge' then -over else over end as a_over,
      case kind when 'hold' then over else 0 end as h_over,
      case kind when 'charge' then over when 'refund' then -over when 'adjustment' then -over else 0 end as s_over,
      kind, id, at, used_at, hold_id, charge_id, cost, cost_from_hold, role, transaction_id, job_id, description, metadata, is_corrected
    from (select * from movement order by at, rank, account_id, id) ordered
  ), number as materialized (
    select id, txn_no from numbered where kind in ('hold', 'charge')
  ), written as (
    insert into ledger.transactions (
      txn_no, transaction_id, kind, account_no, hold_no, charge_no, amount_micro, actor, description, metadata, effective_at, recorded_at)
    select n.txn_no, case when n.kind = 'hold' then null else coalesce(n.transaction_id, ledger.bulk_id(v_txn_id)) end, n.kind, n.account_no,
      h.txn_no, c.txn_no, case when n.kind = 'adjustment' then -n.amount else n.amount end,
      v_actor, n.description, n.metadata, n.at, case when n.transaction_id is null then p_at else n.at end
    from numbered n
    left join number h on h.id = n.hold_id
    left join number c on c.id = n.charge_id
  ), line as (
    -- Seven passes over what is numbered, and a sort: a list of seven values beside every movement takes eight times as long.
    insert into ledger.entries (txn_no, line_no, account_no, fund_no, book, amount_micro)
    select * from (
      select txn_no, 1 as line_no, account_no, base_no, 'a'::"char", a_base from numbered where a_base <> 0
      union all select txn_no, 2, account_no, base_no, 'h', h_base from numbered where h_base <> 0
      union all select txn_no, 3, account_no, base_no, 's', s_base from numbered where s_base <> 0
      union all select txn_no, 4, account_no, base_no, 'x', x_base from numbered where x_base <> 0
      union all select txn_no, 5, account_no, over_no, 'a', a_over from numbered where a_over <> 0
      union all select txn_no, 6, account_no, over_no, 'h', h_over from numbered where h_over <> 0
      union all select txn_no, 7, account_no, over_no, 's', s_over from numbered where s_over <> 0) l
    order by txn_no, line_no
  ), held as (
    insert into ledger.holds (
      hold_no, hold_id, account_no, cluster_no, partition, user_name, status, placed_micro, held_micro, charged_micro, released_micro,
      effective_at, placed_at, closed_at)
    select txn_no, transaction_id, account_no, v_cluster.cluster_no,
      coalesce(nullif(metadata ->> 'partition', ''), v_cluster.default_partition, ''), nullif(metadata ->> 'user_id', ''),
      case when role in ('open', 'settled') then role else 'released' end, amount,
      case when role = 'open' then amount else 0 end,
      case when role = 'settled' then cost else 0 end,
      case role when 'open' then 0 when 'void' then 0 when 'settled' then amount - cost_from_hold else amount end,
      at, at,
      case role when 'open' then null when 'closed' then p_at else used_at end
    from numbered where kind = 'hold'
  ), open as materialized (
    select txn_no, base_no, h_base, over_no, h_over from numbered where role = 'open'
  ), part as (
    insert into ledger.hold_parts (hold_no, fund_no, held_micro)
    select txn_no, base_no, h_base from open where h_base > 0
    union all
    select txn_no, over_no, h_over from open where h_over > 0
  ), told as (
    insert into ledger.outbox (hold_no, kind) select txn_no, 'start' from open
  ), refunded as (
    select charge_id, sum(applied_micro) as micro from said where role = 'refund' group by charge_id
  ), charged as (
    insert into ledger.charges (
      charge_no, run_key, account_no, hold_no, cluster_no, job_id, source, amount_micro, adjusted_micro, refunded_micro,
      reported_numeral, reported_micro)
    select n.txn_no, v_cluster.name || '/' || coalesce(n.job_id, n.transaction_id) || '/asbb/' || n.transaction_id, n.account_no, h.txn_no,
      v_cluster.cluster_no, coalesce(n.job_id, n.transaction_id), 'reported', n.amount, case when n.is_corrected then -n.amount else 0 end,
      coalesce(r.micro, 0), ledger.decimal_of(n.amount), n.amount
    from numbered n
    left join number h on h.id = n.hold_id
    left join refunded r on r.charge_id = n.id
    where n.kind = 'charge'
  ), piece as (
    insert into ledger.charge_pieces (txn_no, piece_no, charge_no, fund_no, starts_at, ends_at, amount_micro)
    select txn_no, 1, txn_no, base_no, at, at, s_base from numbered where kind = 'charge' and s_base <> 0
    union all
    select txn_no, 2, txn_no, over_no, at, at, s_over from numbered where kind = 'charge' and s_over <> 0
    union all
    select n.txn_no, p.piece_no, c.txn_no, p.fund_no, n.used_at, n.used_at, p.amount
    from numbered n
    join number c on c.id = n.charge_id
    cross join lateral (values (1, n.base_no, n.s_base), (2, n.over_no, n.s_over)) as p (piece_no, fund_no, amount)
    where n.kind in ('refund', 'adjustment') and p.amount <> 0
  ), moved as materialized (
    select account_no, base_no, over_no, (-sum(x_base))::bigint as granted, sum(s_base)::bigint as s_base, sum(s_over)::bigint as s_over,
      sum(h_base)::bigint as h_base, sum(h_over)::bigint as h_over
    from numbered group by account_no, base_no, over_no
  ), side as materialized (
    -- Apart, or every fund is looked for among all.
    select side.* from moved
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
    from moved m
    where t.account_no = m.account_no
  )
  select count(*) into v_written from numbered;

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
