-- set_limit makes or changes the cap of a partition, a user ('*': every user who has no cap of his own), or a user in a
-- partition. What it counts, it counts from history: a new cap knows what was settled and held before it (see limit_use).
--
-- Idempotent by the caller's key, and by itself: it says what the cap is, not by how much it changes, and may stand below
-- what is used. Racing with a hold, either the cap counts the hold from its beginning or the hold is judged by the cap.
create function ledger.set_limit(
  p_account text, p_partition text, p_user text, p_limit_micro bigint, p_opens_at timestamptz, p_closes_at timestamptz,
  p_principal text, p_key text, p_body_hash bytea
) returns ledger.limits
language plpgsql volatile
as $$
declare
  v_account ledger.accounts := ledger.lock_account(p_account);
  v_answer jsonb := ledger.replayed(p_principal, 'set_limit', p_key, p_body_hash);
  v_before ledger.limits;
  v_limit ledger.limits;
begin
  if v_answer is not null then
    return jsonb_populate_record(null::ledger.limits, v_answer);
  end if;
  perform ledger.must_not_be_archived(v_account);
  if p_partition is null and p_user is null then
    perform ledger.fail('malformed_request', 'A limit names a partition, a user, or both.', jsonb_build_object('pointer', '/partition'));
  end if;
  if p_limit_micro < 0 or p_limit_micro >= 8589934592000000 then
    perform ledger.fail('malformed_request', 'A limit is not negative and below 8589934592 (2^33).', jsonb_build_object('pointer', '/limit'));
  end if;
  if p_opens_at >= p_closes_at then
    perform ledger.fail('malformed_request', 'The window of a limit ends after it starts.', jsonb_build_object('pointer', '/closes_at'));
  end if;

  select * into v_before from ledger.limits
  where account_no = v_account.account_no and partition is not distinct from p_partition and user_name is not distinct from p_user
    and not from_template;
  insert into ledger.limits as l (
    account_no, partition, user_name, limit_micro, opens_at, closes_at, settled_micro, held_micro, from_template)
  -- A template counts nothing itself; it stands for the users.
  select v_account.account_no, p_partition, p_user, p_limit_micro, p_opens_at, p_closes_at,
    case when p_user = '*' then 0 else used.settled_micro end, case when p_user = '*' then 0 else used.held_micro end, false
  from ledger.limit_use(v_account.account_no, p_partition, p_user, p_opens_at, p_closes_at) used
  on conflict on constraint limits_once do update
  set limit_micro = excluded.limit_micro, opens_at = excluded.opens_at, closes_at = excluded.closes_at,
    settled_micro = excluded.settled_micro, held_micro = excluded.held_micro, from_template = false
  returning * into v_limit;

  if p_user = '*' then
    update ledger.limits l
    set limit_micro = p_limit_micro, opens_at = p_opens_at, closes_at = p_closes_at,
      settled_micro = used.settled_micro, held_micro = used.held_micro
    from (
      select own.limit_no, use.settled_micro, use.held_micro
      from ledger.limits own
      cross join lateral ledger.limit_use(v_account.account_no, own.partition, own.user_name, p_opens_at, p_closes_at) use
      where own.account_no = v_account.account_no and own.partition is not distinct from p_partition and own.from_template
    ) as used
    where l.limit_no = used.limit_no;
  end if;
  perform ledger.note_change('limit', p_account, null, 'set_limit', p_principal, ledger.settings_of_limit(v_before), ledger.settings_of_limit(v_limit));
  perform ledger.remember(p_principal, 'set_limit', p_key, p_body_hash, to_jsonb(v_limit));
  return v_limit;
end;
$$;
