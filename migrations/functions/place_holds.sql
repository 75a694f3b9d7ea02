-- place_holds decides a batch of budget checks and holds the money of those that pass: one row an item, in any order.
--
-- An item: { n, principal, key, body_hash (hex), account, unit, multiplier, catalog, at, user, cluster_no, pre_refusal,
-- request, hold_ids[], partitions[], amounts[] } with one element an array but for heterogeneous jobs, whose components are
-- held all or none. request is stored as it is. With spare_seconds it is a spare: held where that is plainly possible, and where
-- not it has no row and nothing is stored of it.
--
-- outcome: 'decided' (yes or no is in the answer), 'replayed' (this key has its first answer, and request as it was then),
-- 'key_reused' (this key has another body), 'account_not_found', 'stale' (what the item was priced with has
-- changed: price it again). Only the first burns a key. No item can disturb its neighbours; what raises is a programmer's
-- error or a lost connection.
--
-- How fast, and what was tried (PostgreSQL 18, 2 cores shared with the client and with others, one connection, two funds,
-- a partition cap, a template user cap and a parent, requests of 0.7 kB; ratios within a round, 2026-11-23):
--
--   item by item, as place_hold_exactly does it, planning anew at every call      2,700 us a hold
--   the same with generic plans (plan_cache_mode; it is in the functions' heads)    630
--   place_ordinary_holds, batches of 32 / 64, one account                           95-115 / 85-95
--   ... over 1000 accounts, batches of 64                                           120-145
--   one item alone                                                                  0.72 ms a call, of it 0.2 starting the plan
--   all refused, batches of 32                                                      260-290
--
-- Of the 60 us a hold that a batch of 32 spends in place_ordinary_holds, writing the six kinds of rows is 20 (decision 6,
-- hold 4, entries 3, transaction 3, outbox 2.5, parts 1.5), looking is 18, the plan's start 6. Reading the batch's JSON is
-- another 13. All updates of funds, limits and totals were HOT (fillfactor 50).
--
-- "not exists (… decisions …)" became a hashed scan of the whole table and "join accounts" a sequential one while the tables
-- were small at planning time: hence the probes by "lateral (… limit 1)". Joining the caps to their accounts cost 1.3 ms a
-- batch of 64 over 60 accounts: hence root_no in every step.
create function ledger.place_holds(p_batch jsonb)
returns table (n int, outcome text, request jsonb, answer jsonb, effective_at timestamptz)
language plpgsql volatile
set plan_cache_mode = force_generic_plan
as $$
declare
  v_now timestamptz;
  v_version bigint;
  v_item jsonb;
  v_account ledger.accounts;
  v_done int[] := '{}';
  v_row record;
begin
  perform ledger.lock_tree(array(
    select a.account_no
    from jsonb_array_elements(p_batch) item
    cross join lateral (select account_no from ledger.accounts where name = item ->> 'account' limit 1) a));
  v_now := clock_timestamp();

  begin
    for v_row in select p.n, p.answer from ledger.place_ordinary_holds(p_batch, v_now) p loop
      v_done := v_done || v_row.n;
      n := v_row.n;
      outcome := 'decided';
      answer := v_row.answer;
      effective_at := v_now;
      return next;
    end loop;
  exception when sqlstate 'LD002' then
    v_done := '{}';
  end;
  if cardinality(v_done) = jsonb_array_length(p_batch) then return; end if;

  select version into v_version from ledger.catalog_version;
  for v_item in select item from jsonb_array_elements(p_batch) item loop
    n := (v_item ->> 'n')::int;
    continue when n = any (v_done) or v_item ? 'spare_seconds';
    request := null;
    answer := null;
    effective_at := null;
    select * into v_account from ledger.accounts where name = v_item ->> 'account';
    if not found then
      outcome := 'account_not_found';
    elsif ledger.is_stale(v_account, v_item, v_version) then
      outcome := 'stale';
    else
      select p.* into outcome, request, answer, effective_at
      from ledger.place_hold_exactly(v_item, v_account.account_no, v_now) p;
    end if;
    return next;
  end loop;
end;
$$;
