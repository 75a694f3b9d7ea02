-- place_hold_exactly decides one item of a batch by every rule and does what was decided, component by component: draws
-- over several funds, the overdraft, caps by template, heterogeneous jobs, backdated checks, refusals.
--
-- The decision is written before any money moves. Where another transaction has the same key in another tree, the insert
-- waits for it and then finds the key taken: nothing has to be undone, and the first answer is given.
--
-- The caller holds the lock of the account's tree.
create function ledger.place_hold_exactly(p_item jsonb, p_account_no bigint, p_now timestamptz, out outcome text,
  out request jsonb, out answer jsonb, out effective_at timestamptz)
language plpgsql volatile
set plan_cache_mode = force_generic_plan
as $$
declare
  v_principal text := p_item ->> 'principal';
  v_key text := p_item ->> 'key';
  v_body_hash bytea := decode(p_item ->> 'body_hash', 'hex');
  v_user text := p_item ->> 'user';
  v_hold_ids text[] := array(select jsonb_array_elements_text(p_item -> 'hold_ids'));
  v_partitions text[] := array(select jsonb_array_elements_text(p_item -> 'partitions'));
  v_amounts bigint[] := array(select jsonb_array_elements_text(p_item -> 'amounts')::bigint);
  v_group_no bigint;
  v_hold_no bigint;
begin
  if v_key is not null then
    select r.* into outcome, request, answer, effective_at
    from ledger.replay_decision(v_principal, v_key, v_body_hash) r;
    if found then return; end if;
  end if;

  effective_at := coalesce((p_item ->> 'at')::timestamptz, p_now);
  answer := ledger.judge_hold(
    p_account_no, effective_at, effective_at, v_user, v_partitions, v_amounts, nullif(p_item -> 'pre_refusal', 'null'));
  if answer ->> 'code' = 'placed' then
    answer := answer || jsonb_build_object('hold_ids', p_item -> 'hold_ids');
  end if;

  v_hold_no := ledger.next_txn_no();
  insert into ledger.decisions (
    decision_no, principal, key, body_hash, account_no, code, request, answer, effective_at, decided_at)
  values (
    v_hold_no, v_principal, v_key, v_body_hash, p_account_no, answer ->> 'code', p_item -> 'request', answer, effective_at,
    p_now)
  on conflict do nothing;
  if not found then
    select r.* into strict outcome, request, answer, effective_at
    from ledger.replay_decision(v_principal, v_key, v_body_hash) r;
    return;
  end if;

  outcome := 'decided';
  if answer ->> 'code' <> 'placed' then return; end if;

  if cardinality(v_hold_ids) > 1 then v_group_no := v_hold_no; end if;
  for i in 1 .. cardinality(v_hold_ids) loop
    if i > 1 then v_hold_no := ledger.next_txn_no(); end if;
    perform ledger.count_held(p_account_no, v_partitions[i], v_user, effective_at, v_amounts[i]);
    insert into ledger.holds (
      hold_no, hold_id, account_no, cluster_no, partition, user_name, group_no, placed_micro, held_micro, effective_at,
      placed_at)
    values (
      v_hold_no, v_hold_ids[i], p_account_no, (p_item ->> 'cluster_no')::int, v_partitions[i], v_user, v_group_no,
      v_amounts[i], v_amounts[i], effective_at, p_now);
    insert into ledger.transactions (
      txn_no, kind, account_no, hold_no, amount_micro, actor, effective_at, recorded_at)
    values (v_hold_no, 'hold', p_account_no, v_hold_no, v_amounts[i], v_principal, effective_at, p_now);
    perform ledger.draw_parts(v_hold_no, v_hold_no, p_account_no, v_amounts[i], effective_at);
  end loop;
  -- One story a job: the first component's follows all of them.
  insert into ledger.outbox (hold_no, kind) values (coalesce(v_group_no, v_hold_no), 'start');
end;
$$;
