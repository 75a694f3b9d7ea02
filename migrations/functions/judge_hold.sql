-- judge_hold decides one request without writing anything: may these amounts be held, together, in these partitions? It is
-- the one place where the rules of admission stand in full; place_ordinary_holds has a shorter test for the ordinary yes, and
-- test/ledger/admission-model.test.ts holds the two against one model.
--
-- The answer is what a Decision is rendered from: the code, the account before the hold, and for a no the facts. The order
-- of the tests is the order of domain/faults.ts. Nothing costs nothing: an amount of 0 passes every limit of money, but
-- not a closed account. Amounts are millionths as text.
--
-- p_at is the moment the money is for; p_counted_at the moment by which caps with a window count (the same, except where an
-- older hold grows). p_amounts and p_partitions belong together; p_pre_refusal is a no that was found while pricing.
-- The caller holds the lock of the tree where the answer must still be true afterwards.
create function ledger.judge_hold(
  p_account_no bigint, p_at timestamptz, p_counted_at timestamptz, p_user text, p_partitions text[], p_amounts bigint[],
  p_pre_refusal jsonb
) returns jsonb
language plpgsql stable
set plan_cache_mode = force_generic_plan
as $$
declare
  v_account ledger.accounts;
  v_parent ledger.accounts;
  v_held bigint;
  v_settled bigint;
  v_money record;
  v_tests record;
  v_partition_cap record;
  v_total bigint := (select coalesce(sum(amount), 0) from unnest(p_amounts) amount);
  v_answer jsonb;
  v_refusal jsonb;
begin
  select * into strict v_account from ledger.accounts where account_no = p_account_no;
  select held_micro, settled_micro into strict v_held, v_settled from ledger.account_totals where account_no = p_account_no;
  select * into strict v_money from ledger.spendable(p_account_no, p_at);

  v_answer := jsonb_build_object('balance', v_money.available_micro::text, 'held', v_held::text);
  select c.limit_micro, c.settled_micro + c.held_micro as used_micro into v_partition_cap
  from ledger.caps_of(p_account_no, p_partitions[1], null, p_counted_at) c;
  if found then
    v_answer := v_answer || jsonb_build_object(
      'partition_used', v_partition_cap.used_micro::text, 'partition_limit', v_partition_cap.limit_micro::text);
  end if;

  -- Is the account open at all?
  select a.* into v_parent
  from unnest(v_account.ancestors) with ordinality as node (account_no, place)
  join ledger.accounts a on a.account_no = node.account_no
  where a.archived_at is not null or a.status <> 'active' or p_at < a.starts_at or p_at >= a.ends_at
  order by node.place
  limit 1;
  v_refusal := case
    when v_account.archived_at is not null then
      jsonb_build_object('code', 'account_archived', 'archived_at', v_account.archived_at)
    when v_account.status <> 'active' then
      jsonb_build_object('code', 'account_inactive', 'status', v_account.status)
    when p_at < v_account.starts_at then
      jsonb_build_object('code', 'account_not_started', 'starts_at', v_account.starts_at)
    when p_at >= v_account.ends_at then
      jsonb_build_object('code', 'account_expired', 'ends_at', v_account.ends_at)
    when v_parent.account_no is not null then
      jsonb_build_object('code', 'parent_inactive', 'parent', v_parent.name, 'reason', case
        when v_parent.archived_at is not null then 'archived'
        when v_parent.status <> 'active' then v_parent.status
        when p_at < v_parent.starts_at then 'not_started'
        else 'expired' end,
        'starts_at', v_parent.starts_at, 'ends_at', v_parent.ends_at)
    else p_pre_refusal
  end;
  if v_refusal is not null then
    return v_answer || jsonb_build_object('code', v_refusal ->> 'code', 'refusal', v_refusal);
  end if;

  -- Every limit of money with what this request adds to it, in order of precedence; what would fit fits all of them.
  with asked as (
    select partition, sum(amount)::bigint as amount
    from unnest(p_partitions, p_amounts) as component (partition, amount)
    group by partition
  ), cap as (
    select c.partition, c.user_name, min(c.limit_micro) as limit_micro, min(c.settled_micro) as settled_micro,
      min(c.held_micro) as held_micro, sum(asked.amount)::bigint as demand
    from asked cross join lateral ledger.caps_of(p_account_no, asked.partition, p_user, p_counted_at) c
    group by c.partition, c.user_name
  ), test as (
    select 1 as rank, 1 as place, 'insufficient_budget' as code, null as partition, null as user_name, null as parent,
      v_money.granted_micro as limit_micro, v_settled as settled_micro, v_held as held_micro, v_total as demand,
      v_money.available_micro + v_money.overdraft_micro as headroom
    union all
    select case when user_name is null then 2 else 3 end, case when partition is null then 1 else 2 end,
      case when user_name is null then 'partition_limit_exceeded' else 'user_limit_exceeded' end, partition, user_name, null,
      limit_micro, settled_micro, held_micro, demand, limit_micro - settled_micro - held_micro
    from cap
    union all
    select 4, place, 'parent_limit_exceeded', null, null, name, limit_micro, settled_micro, held_micro, v_total,
      limit_micro - settled_micro - held_micro
    from ledger.subtree_limits(p_account_no, p_at)
  )
  select failed.*, (select min(div(v_total::numeric * greatest(headroom, 0), demand)) from test where demand > 0) as affordable
  into v_tests
  from test failed
  where demand > 0 and headroom < demand
  order by rank, place, partition
  limit 1;

  if not found then return v_answer || '{"code": "placed"}'; end if;

  v_refusal := jsonb_build_object(
    'code', v_tests.code, 'limit', v_tests.limit_micro::text, 'settled', v_tests.settled_micro::text,
    'held', v_tests.held_micro::text, 'requested', v_tests.demand::text,
    'short_by', (v_tests.demand - v_tests.headroom)::text, 'headroom', v_tests.headroom::text,
    'affordable', least(v_tests.affordable, v_total)::text);
  if v_tests.code = 'insufficient_budget' and v_money.overdraft_micro > 0 then
    v_refusal := v_refusal || jsonb_build_object('overdraft_limit', v_money.overdraft_micro::text);
  end if;
  if v_tests.partition is not null then v_refusal := v_refusal || jsonb_build_object('partition', v_tests.partition); end if;
  if v_tests.user_name is not null then v_refusal := v_refusal || jsonb_build_object('user', v_tests.user_name); end if;
  if v_tests.parent is not null then v_refusal := v_refusal || jsonb_build_object('parent', v_tests.parent); end if;
  if v_tests.code = 'insufficient_budget' then
    v_refusal := v_refusal || coalesce(
      (select jsonb_build_object('next_money_at', m.opens_at, 'next_money', m.amount_micro::text)
       from ledger.next_money(p_account_no, p_at) m), '{}');
  end if;
  return v_answer || jsonb_build_object('code', v_tests.code, 'refusal', v_refusal);
end;
$$;
