-- settle_ordinary_runs charges runs and closes their holds, in one statement, where there is nothing to it, and returns which
-- it did. The rest is left to charge_run, which has every rule; test/ledger/replay.test.ts holds the two to the same
-- books. Whoever settles a long history at once calls it (ledger/replay); a story settles one run at a time.
--
-- p_requests: what charge_run takes with "close", with an n each; without a run_key it is a hold that nothing is charged to, which
-- close_hold would give back. Ordinary is: a cost by usage of a run that nobody has charged, no more than its hold has; the
-- hold open, and named once; all of it in one fund that is open now and was while the job ran, with no other fund of the
-- account opening or closing meanwhile; every cap with a row of its own.
--
-- Every table is probed as in place_ordinary_holds. The caller holds the locks of the trees.
create function ledger.settle_ordinary_runs(p_requests jsonb, p_now timestamptz) returns int[]
language plpgsql volatile
set plan_cache_mode = force_generic_plan
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  v_settled int[];
begin
  perform pg_current_xact_id(); -- before numbers are drawn; see ledger.txn_numbers
  with asked as materialized (
    select i.*, row_number() over (partition by i.hold_id order by i.n) as of_hold,
      row_number() over (partition by i.run_key order by i.n) as of_run
    from jsonb_to_recordset(p_requests) as i (
      n int, run_key text, hold_id text, job_id text, partition text, "user" text, source text, pieces jsonb, slices jsonb,
      usage jsonb, metadata jsonb, started_at timestamptz, ended_at timestamptz, reason text, actor text)
  ), item as materialized (
    select asked.*, h.hold_no, h.account_no, h.cluster_no, h.held_micro, a.ancestors, part.fund_no, piece.total,
      coalesce(asked.ended_at, piece.ends_at, p_now) as effective_at, cap.limit_nos
    from asked
    cross join lateral (select * from ledger.holds where hold_id = asked.hold_id limit 1) h
    cross join lateral (select account_no, ancestors from ledger.accounts where account_no = h.account_no limit 1) a
    cross join lateral (
      select coalesce(sum((p ->> 'amount_micro')::bigint), 0)::bigint as total, min((p ->> 'amount_micro')::bigint) as least,
        min((p ->> 'starts_at')::timestamptz) as starts_at, max((p ->> 'ends_at')::timestamptz) as ends_at,
        bool_and((p ->> 'starts_at')::timestamptz <= (p ->> 'ends_at')::timestamptz) as is_forward
      from jsonb_array_elements(nullif(asked.pieces, 'null')) p) piece
    cross join lateral (
      select min(fund_no) as fund_no, count(*) as funds from ledger.hold_parts
      where hold_no = h.hold_no and held_micro > 0) part
    cross join lateral (select * from ledger.funds where fund_no = part.fund_no limit 1) f
    cross join lateral (
      select coalesce(array_agg(c.limit_no), '{}') as limit_nos, coalesce(bool_and(c.limit_no is not null), true) as have_rows
      from (
        select c.limit_no from ledger.caps_of(h.account_no, h.partition, h.user_name, h.effective_at) c) c) cap
    left join lateral (select charge_no from ledger.charges where run_key = asked.run_key limit 1) charged on true
    where asked.of_hold = 1 and h.status = 'open'
      and part.funds = 1 and f.source <> 'overdraft' and f.closes_at > p_now and cap.have_rows
      and (asked.run_key is null or (
        asked.of_run = 1 and charged.charge_no is null and asked.source = 'usage'
        and h.partition = asked.partition and h.user_name is not distinct from asked."user"
        and piece.least >= 0 and piece.is_forward and piece.total <= h.held_micro
        and f.opens_at <= piece.starts_at and f.closes_at > piece.ends_at
        and not exists (
          select from ledger.funds other
          where other.account_no = h.account_no and other.source <> 'overdraft'
            and ((other.opens_at > piece.starts_at and other.opens_at < piece.ends_at)
              or (other.closes_at > piece.starts_at and other.closes_at < piece.ends_at)))))
  ), settled as materialized (
    select case when run_key is not null then nextval('ledger.txn_numbers') end as charge_no,
      case when held_micro > total then nextval('ledger.txn_numbers') end as release_no, i.*
    from (select * from item order by n) i
  ), written as (
    insert into ledger.transactions (
      txn_no, transaction_id, kind, account_no, hold_no, amount_micro, actor, description, metadata, effective_at, recorded_at)
    select line.txn_no, ledger.new_id('txn'), line.kind, account_no, hold_no, line.amount, coalesce(actor, 'system'),
      coalesce(reason, line.description), line.metadata, effective_at, p_now
    from settled
    cross join lateral (values
      (charge_no, 'charge', total, format('Actual cost for job %s', job_id), nullif(settled.metadata, 'null')),
      (release_no, 'release', held_micro - total, 'Rest of the hold', null)) as line (txn_no, kind, amount, description, metadata)
    where line.txn_no is not null
  ), entry as (
    insert into ledger.entries (txn_no, line_no, account_no, fund_no, book, amount_micro)
    select line.txn_no, line.line_no, account_no, fund_no, line.book, line.amount
    from settled
    cross join lateral (values
      (charge_no, 1, 'h'::"char", -total), (charge_no, 2, 's', total),
      (release_no, 1, 'h', total - held_micro), (release_no, 2, 'a', held_micro - total)) as line (txn_no, line_no, book, amount)
    where line.amount <> 0
  ), piece as (
    insert into ledger.charge_pieces (txn_no, piece_no, charge_no, fund_no, starts_at, ends_at, amount_micro)
    select charge_no, row_number() over (partition by charge_no order by p.place), charge_no, fund_no,
      (p.piece ->> 'starts_at')::timestamptz, (p.piece ->> 'ends_at')::timestamptz, (p.piece ->> 'amount_micro')::bigint
    from settled cross join lateral jsonb_array_elements(pieces) with ordinality as p (piece, place)
    where (p.piece ->> 'amount_micro')::bigint > 0
  ), charge as (
    insert into ledger.charges (
      charge_no, run_key, account_no, hold_no, cluster_no, job_id, partition, user_name, source, amount_micro, started_at,
      ended_at, usage, metered_until)
    select charge_no, run_key, account_no, hold_no, cluster_no, job_id, partition, "user", source, total, started_at, ended_at,
      nullif(usage, 'null'), ledger.end_of_slices(coalesce(nullif(slices, 'null'), '[]'))
    from settled
    where run_key is not null
  ), slice as (
    insert into ledger.usage_slices (charge_no, slice_no, starts_at, ends_at, nodes, cpus, gpus, memory_mib, active_micros)
    select charge_no, g.place, (g.slice ->> 'starts_at')::timestamptz, (g.slice ->> 'ends_at')::timestamptz,
      (g.slice ->> 'nodes')::numeric, (g.slice ->> 'cpus')::numeric, (g.slice ->> 'gpus')::numeric,
      (g.slice ->> 'memory_mib')::numeric, (g.slice ->> 'active_micros')::bigint
    from settled cross join lateral jsonb_array_elements(nullif(slices, 'null')) with ordinality as g (slice, place)
  ), held as (
    update ledger.holds h
    set held_micro = 0, charged_micro = h.charged_micro + s.total, released_micro = h.released_micro + s.held_micro - s.total,
      closed_at = p_now, status = case
        when s.run_key is not null or exists (select from ledger.charges c where c.hold_no = h.hold_no) then 'settled'
        else 'released' end
    from settled s
    where h.hold_no = s.hold_no
  ), part as (
    update ledger.hold_parts p set held_micro = 0 from settled s where p.hold_no = s.hold_no and p.fund_no = s.fund_no
  ), fund as (
    update ledger.funds f set settled_micro = f.settled_micro + s.total, held_micro = f.held_micro - s.held
    from (select fund_no, sum(total)::bigint as total, sum(held_micro)::bigint as held from settled group by fund_no) s
    where f.fund_no = s.fund_no
  ), moved as (
    update ledger.account_totals t
    set settled_micro = t.settled_micro + coalesce(s.own_total, 0), held_micro = t.held_micro - coalesce(s.own_held, 0),
      subtree_settled_micro = t.subtree_settled_micro + s.total, subtree_held_micro = t.subtree_held_micro - s.held
    from (
      select node.account_no, sum(total)::bigint as total, sum(held_micro)::bigint as held,
        sum(total) filter (where node.account_no = settled.account_no)::bigint as own_total,
        sum(held_micro) filter (where node.account_no = settled.account_no)::bigint as own_held
      from settled cross join lateral unnest(settled.account_no || settled.ancestors) as node (account_no)
      group by node.account_no) s
    where t.account_no = s.account_no
  ), capped as (
    update ledger.limits l set settled_micro = l.settled_micro + s.total, held_micro = l.held_micro - s.held
    from (
      select cap.limit_no, sum(total)::bigint as total, sum(held_micro)::bigint as held
      from settled cross join lateral unnest(limit_nos) as cap (limit_no)
      group by cap.limit_no) s
    where l.limit_no = s.limit_no
  )
  select coalesce(array_agg(n), '{}') into v_settled from settled;
  return v_settled;
end;
$$;
