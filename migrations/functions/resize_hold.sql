-- resize_hold sets what an open hold holds. More passes every limit as if it were asked for now, or is refused and nothing
-- changes; less gives back, from the overdraft first and then from the fund that was drawn last.
--
-- The answer is {hold}, or {refusal, …} as judge_hold explains it. With a key, the same resize twice is one and has the
-- first answer, a refusal as well as the hold as it was then (rulings 9). Racing with a check, a charge or another resize,
-- one goes first under the tree's lock and the other is judged by what it left. p_at is the moment the money is for
-- (default now); caps count the hold by its own moment, as they did when it was placed. p_now is the clock: what has closed
-- by then, expires. With p_expected_micro the answer is {stale} and nothing changes where the hold holds something else by
-- now: the amount was worked out from that.
create function ledger.resize_hold(
  p_hold_id text, p_amount_micro bigint, p_reason text, p_principal text, p_key text, p_body_hash bytea,
  p_at timestamptz default null, p_now timestamptz default null, p_expected_micro bigint default null
) returns jsonb
language plpgsql volatile
as $$
declare
  v_hold ledger.holds := ledger.lock_hold(p_hold_id);
  v_answer jsonb := ledger.replayed(p_principal, 'resize', p_key, p_body_hash);
  v_now timestamptz;
  v_more bigint;
  v_txn_no bigint;
begin
  if v_answer is not null then return v_answer; end if;
  if p_amount_micro < 0 then
    perform ledger.fail('malformed_request', 'A hold cannot hold less than nothing.', jsonb_build_object('pointer', '/amount'));
  end if;
  if v_hold.status <> 'open' then
    perform ledger.fail('hold_closed', format('Hold %s is %s; it cannot be resized any more.', p_hold_id, v_hold.status),
      jsonb_build_object('hold_id', p_hold_id, 'status', v_hold.status));
  end if;
  if v_hold.held_micro <> p_expected_micro then return '{"stale": true}'; end if;
  v_now := coalesce(p_now, clock_timestamp());
  v_more := p_amount_micro - v_hold.held_micro;

  if v_more > 0 then
    v_answer := ledger.judge_hold(
      v_hold.account_no, coalesce(p_at, v_now), v_hold.effective_at, v_hold.user_name, array[v_hold.partition], array[v_more], null);
    if v_answer ->> 'code' <> 'placed' then
      select v_answer || jsonb_build_object('account', a.name, 'unit', a.unit, 'requested', v_more::text)
      into v_answer
      from ledger.accounts a where a.account_no = v_hold.account_no;
      return ledger.remember(p_principal, 'resize', p_key, p_body_hash, v_answer);
    end if;
  end if;

  if v_more <> 0 then
    perform ledger.count_held(v_hold.account_no, v_hold.partition, v_hold.user_name, v_hold.effective_at, v_more);
    v_txn_no := ledger.write_transaction(
      'resize', v_hold.account_no, v_more, p_principal, p_reason, coalesce(p_at, v_now), v_hold.hold_no);
    update ledger.holds set held_micro = p_amount_micro where hold_no = v_hold.hold_no;
    if v_more > 0 then
      perform ledger.draw_parts(v_txn_no, v_hold.hold_no, v_hold.account_no, v_more, coalesce(p_at, v_now));
    else
      perform ledger.return_parts(v_txn_no, v_hold.hold_no, v_hold.account_no, -v_more);
      -- What returns to a fund that has closed meanwhile expires with it (rulings 7).
      perform ledger.expire_account(v_hold.account_no, v_now, p_principal);
    end if;
  end if;
  return ledger.remember(p_principal, 'resize', p_key, p_body_hash, jsonb_build_object('hold', ledger.describe_hold(v_hold.hold_no)));
end;
$$;
