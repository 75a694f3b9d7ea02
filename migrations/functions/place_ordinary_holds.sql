-- place_ordinary_holds places, in one statement, those items of a batch that are plainly a yes, and returns them. The rest
-- is left to place_hold_exactly, tree by tree: where one item of a tree needs a closer look, all of that tree's do, so that
-- items are decided in their order.
--
-- Ordinary is: one component, asked for now, priced, a key that is new, an open account under open parents, free money of
-- open funds, every cap with a row of its own, and room below every limit for all that the batch asks of it together.
-- The demand of the batch is summed per account, cap and parent, and compared once; nothing is decided item by item.
--
-- A spare is an item with spare_seconds: a hold for a job that is likely to come within that time. It must not make money scarce
-- for those who are there already, so what it needs to be free is sixteen times what it takes. It belongs to the item with
-- the key "beside", and there is none where that one has had its answer before.
--
-- Every table is probed through "lateral (… limit 1)" or a function of index probes: whatever the planner believed about its
-- size when the plan was made, it stays a probe. The caller holds the locks, so what is looked at here is still true where
-- it is written, further down in the same statement.
create function ledger.place_ordinary_holds(p_batch jsonb, p_now timestamptz)
returns table (n int, answer jsonb)
language plpgsql volatile
set plan_cache_mode = force_generic_plan
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  v_answered int[];
  v_answers jsonb[];
  v_decisions int;
begin
  perform pg_current_xact_id(); -- before numbers are drawn; see ledger.txn_numbers
  with asked as materialized (
    select i.*, i.amounts[1] as amount, i.partitions[1] as partition,
      i.amounts[1] * case when i.spare_seconds is null then 1 else 16 end::numeric as needs,
      row_number() over (partition by i.key, i.principal order by i.n) as repetition
    from jsonb_to_recordset(p_batch) as i (
      n int, principal text, key text, body_hash text, account text, unit text, multiplier bigint, catalog bigint,
      at timestamptz, "user" text, cluster_no int, pre_refusal jsonb, request jsonb, hold_ids text[],
      partitions text[], amounts bigint[], spare_seconds int, beside text)
  ), item as materialized (
    -- Items that move no money (a replay, a stale price) do not matter to their neighbours.
    select asked.*, a.account_no, a.root_no,
      asked.at is null and asked.pre_refusal is null and cardinality(asked.hold_ids) = 1
        as is_ordinary,
      coalesce(sum(asked.amount) over (partition by a.account_no order by asked.n
        rows between unbounded preceding and 1 preceding), 0)::bigint as before,
      coalesce(sum(asked.amount) over (partition by a.account_no, asked.partition order by asked.n
        rows between unbounded preceding and 1 preceding), 0)::bigint as before_in_partition
    from asked
    cross join lateral (
      select account_no, root_no, unit, hold_multiplier_micro from ledger.accounts where name = asked.account limit 1) a
    left join lateral (
      select decision_no from ledger.decisions d where d.key = asked.key and d.principal = asked.principal limit 1) d on true
    left join lateral (
      select decision_no from ledger.decisions d where d.key = asked.beside and d.principal = asked.principal limit 1) b on true
    where b.decision_no is null and a.unit = asked.unit and a.hold_multiplier_micro is not distinct from asked.multiplier
      and asked.catalog = (select version from ledger.catalog_version)
      and (asked.key is null or (asked.repetition = 1 and d.decision_no is null))
  ), account as materialized (
    select d.account_no, a.root_no, a.ancestors, t.held_micro, d.demand, d.needs, m.fund_nos, m.availables, m.throughs,
      m.open_available - greatest(0, m.debt - m.closed_available) as available,
      d.is_ordinary and a.archived_at is null and a.status = 'active' and a.starts_at <= p_now and a.ends_at > p_now as is_open
    from (
      select account_no, sum(amount)::bigint as demand, sum(item.needs) as needs, bool_and(item.is_ordinary) as is_ordinary
      from item group by account_no
    ) d
    cross join lateral (select * from ledger.accounts where account_no = d.account_no limit 1) a
    cross join lateral (select held_micro from ledger.account_totals where account_no = d.account_no limit 1) t
    cross join lateral (
      -- The money (see spendable), and the funds that may be drawn: what each has, and how far it and those before it reach.
      select
        coalesce(sum(free) filter (where is_open), 0)::bigint as open_available,
        coalesce(sum(free) filter (where source <> 'overdraft' and closes_at <= p_now), 0)::bigint as closed_available,
        coalesce(-sum(free) filter (where source = 'overdraft'), 0)::bigint as debt,
        array_agg(fund_no) filter (where is_open and free > 0) as fund_nos,
        array_agg(free) filter (where is_open and free > 0) as availables,
        array_agg(through) filter (where is_open and free > 0) as throughs
      from (
        select *, sum(case when is_open then free else 0 end) over (order by closes_at, fund_no)::bigint as through
        from (
          select fund_no, source, closes_at, granted_micro - settled_micro - held_micro as free,
            source <> 'overdraft' and opens_at <= p_now and closes_at > p_now as is_open
          from ledger.funds
          where account_no = d.account_no) f) f) m
  ), cap as materialized (
    select root_no, account_no, c.partition, c.user_name, c.limit_no, c.limit_micro, c.settled_micro, c.held_micro, c.opens_at,
      c.closes_at, c.settled_micro + c.held_micro as used_micro, sum(demand)::bigint as demand, sum(needs) as needs
    from (
      select root_no, account_no, partition, "user", sum(amount)::bigint as demand, sum(needs) as needs
      from item group by root_no, account_no, partition, "user"
    ) d
    cross join lateral ledger.caps_of(d.account_no, d.partition, d."user", p_now) c
    group by root_no, account_no, c.partition, c.user_name, c.limit_no, c.limit_micro, c.settled_micro, c.held_micro, c.opens_at, c.closes_at
  ), node as materialized (
    select node.account_no, account.root_no, sum(demand)::bigint as demand, sum(needs) as needs,
      sum(demand) filter (where node.account_no = account.account_no) as own_demand
    from account cross join lateral unnest(account.account_no || account.ancestors) as node (account_no)
    group by node.account_no, account.root_no
  ), refused_tree as materialized (
    select root_no from account where not is_open or (demand > 0 and available < needs)
    union all
    select root_no from cap where demand > 0 and limit_micro - used_micro < needs
    union all
    select node.root_no from node
    cross join lateral (select * from ledger.accounts where account_no = node.account_no limit 1) a
    cross join lateral ledger.subtree_limit(node.account_no, p_now) l
    where a.archived_at is not null or a.status <> 'active' or a.starts_at > p_now or a.ends_at <= p_now
      or (node.demand > 0 and l.limit_micro - l.settled_micro - l.held_micro < node.needs)
  ), placed as materialized (
    select nextval('ledger.txn_numbers') as hold_no, i.*, account.available, account.held_micro, account.fund_nos,
      account.availables, account.throughs
    from (
      select * from item where root_no <> all (array(select root_no from refused_tree)) order by item.n
    ) i
    join account on account.account_no = i.account_no
  ), drawn as materialized (
    -- What each item takes from each fund: where the item's place in the queue meets the fund's place in the row of funds.
    select placed.hold_no, f.fund_no, placed.account_no,
      least(placed.before + placed.amount, f.through) - greatest(placed.before, f.through - f.available) as part
    from placed
    cross join lateral unnest(placed.fund_nos, placed.availables, placed.throughs) as f (fund_no, available, through)
    where f.through > placed.before and f.through - f.available < placed.before + placed.amount
  ), partition_cap as materialized (
    select account_no, partition, used_micro, limit_micro from cap where user_name is null
  ), answered as materialized (
    select placed.hold_no, placed.n, placed.principal, placed.key, placed.body_hash, placed.account_no, placed.request,
      case when cap.account_no is null
        then jsonb_build_object(
          'code', 'placed', 'balance', (placed.available - placed.before)::text,
          'held', (placed.held_micro + placed.before)::text, 'hold_ids', placed.hold_ids)
        else jsonb_build_object(
          'code', 'placed', 'balance', (placed.available - placed.before)::text,
          'held', (placed.held_micro + placed.before)::text, 'hold_ids', placed.hold_ids,
          'partition_used', (cap.used_micro + placed.before_in_partition)::text, 'partition_limit', cap.limit_micro::text)
      end as answer
    from placed
    left join partition_cap cap on cap.account_no = placed.account_no and cap.partition = placed.partition
  ), decision as (
    insert into ledger.decisions (
      decision_no, principal, key, body_hash, account_no, code, request, answer, effective_at, decided_at)
    select hold_no, principal, key, decode(body_hash, 'hex'), account_no, 'placed', request, answered.answer, p_now, p_now
    from answered
    order by key, principal -- One order for all, so that two trees that bring the same keys do not wait for each other.
    on conflict do nothing
    returning decision_no
  ), held as (
    insert into ledger.holds (
      hold_no, hold_id, account_no, cluster_no, partition, user_name, placed_micro, held_micro, effective_at, placed_at,
      use_by)
    select hold_no, hold_ids[1], account_no, cluster_no, partition, "user", amount, amount, p_now, p_now,
      p_now + spare_seconds * interval '1 second'
    from placed
  ), part as (
    insert into ledger.hold_parts (hold_no, fund_no, held_micro) select hold_no, fund_no, part from drawn
  ), written as (
    insert into ledger.transactions (txn_no, kind, account_no, hold_no, amount_micro, actor, effective_at, recorded_at)
    select hold_no, 'hold', account_no, hold_no, amount, principal, p_now, p_now from placed
  ), entry as (
    insert into ledger.entries (txn_no, line_no, account_no, fund_no, book, amount_micro)
    select hold_no, row_number() over (partition by hold_no order by fund_no, line.book), account_no, fund_no, line.book,
      line.sign * part
    from drawn cross join (values ('a'::"char", -1), ('h'::"char", 1)) as line (book, sign)
  ), told as (
    insert into ledger.outbox (hold_no, kind) select hold_no, 'start' from placed
  ), fund as (
    update ledger.funds f set held_micro = f.held_micro + d.part
    from (select fund_no, sum(part)::bigint as part from drawn group by fund_no) d
    where f.fund_no = d.fund_no
  ), total as (
    update ledger.account_totals t
    set held_micro = t.held_micro + coalesce(node.own_demand, 0), subtree_held_micro = t.subtree_held_micro + node.demand
    from node
    where t.account_no = node.account_no and node.demand > 0
      and node.root_no <> all (array(select root_no from refused_tree))
  ), capped as (
    -- Users who fall under a template get their rows with their first holds.
    insert into ledger.limits (
      account_no, partition, user_name, limit_micro, opens_at, closes_at, settled_micro, held_micro, from_template)
    select account_no, partition, user_name, limit_micro, opens_at, closes_at, settled_micro, held_micro + demand, true
    from cap
    where limit_no is null and root_no <> all (array(select root_no from refused_tree))
  ), counted as (
    update ledger.limits l set held_micro = l.held_micro + cap.demand
    from cap
    where l.limit_no = cap.limit_no and cap.demand > 0 and cap.root_no <> all (array(select root_no from refused_tree))
  )
  select array_agg(answered.n), array_agg(answered.answer), (select count(*) from decision)
  into v_answered, v_answers, v_decisions
  from answered;

  -- Another transaction in another tree brought the same key while we waited for it. place_holds undoes this and looks again.
  if v_decisions < cardinality(v_answered) then raise exception 'a key was taken meanwhile' using errcode = 'LD002'; end if;
  return query select * from unnest(v_answered, v_answers);
end;
$$;
