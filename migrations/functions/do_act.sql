-- do_act does one thing that a story found due, by the function that has its rules:
--
--   {act: 'charge', request (see charge_run)}, {act: 'close', hold_id, reason, effective_at, actor},
--   {act: 'meter', run_key, slices, told_end}, {act: 'refund', request (see refund_run)},
--   {act: 'resize', hold_id, amount_micro, direction: 'up' | 'down' | 'any', why, policy, reason, at, actor, reopens},
--   {act: 'overdue', hold_id, is_overdue}
--
-- Idempotent: charges by their run key, closing by the hold. Returns {replayed: run key} of a run that had been charged before,
-- {shortfall: null | {why, policy, requested, refusal, at}} of a hold that was to be resized, else nothing.
--
-- Stories act by it (act_on_story), and a replay of a log (ledger/replay), whose clock is p_now; null: the server's.
create function ledger.do_act(p_act jsonb, p_now timestamptz) returns jsonb
language plpgsql volatile
as $$
declare
  v_answer jsonb;
  v_hold ledger.holds;
  v_charge ledger.charges;
  v_amount bigint;
begin
  case p_act ->> 'act'
    when 'charge' then
      v_answer := ledger.charge_run(
        case when p_now is null then p_act -> 'request' else (p_act -> 'request') || jsonb_build_object('now', p_now) end);
      if v_answer ->> 'outcome' = 'replayed' then
        return jsonb_build_object('replayed', p_act #> '{request,run_key}');
      end if;
    when 'meter' then
      select * into strict v_charge from ledger.charges where run_key = p_act ->> 'run_key';
      perform ledger.lock_tree(array[v_charge.account_no]);
      if p_act ->> 'told_end' is null then
        perform ledger.meter_run(v_charge.charge_no, p_act -> 'slices');
      else
        perform ledger.meter_again(v_charge.charge_no, p_act -> 'slices', (p_act ->> 'told_end')::timestamptz);
      end if;
    when 'refund' then
      perform ledger.refund_run(p_act -> 'request');
    when 'close' then
      perform ledger.close_hold(
        p_act ->> 'hold_id', p_act ->> 'reason', p_act ->> 'actor', (p_act ->> 'effective_at')::timestamptz, p_now);
    when 'overdue' then
      update ledger.holds
      set overdue_at = case when (p_act ->> 'is_overdue')::boolean then coalesce(p_now, clock_timestamp()) end
      where hold_id = p_act ->> 'hold_id' and status = 'open';
    when 'resize' then
      if (p_act ->> 'reopens')::boolean then
        perform ledger.reopen_hold(p_act ->> 'hold_id', coalesce(p_now, clock_timestamp()));
      end if;
      select * into strict v_hold from ledger.holds where hold_id = p_act ->> 'hold_id';
      v_amount := (p_act ->> 'amount_micro')::bigint;
      if v_hold.status = 'open' and (
        (v_amount > v_hold.held_micro and p_act ->> 'direction' in ('up', 'any'))
        or (v_amount < v_hold.held_micro and p_act ->> 'direction' in ('down', 'any')))
      then
        v_answer := ledger.resize_hold(p_act ->> 'hold_id', v_amount, p_act ->> 'reason', p_act ->> 'actor', null, null,
          (p_act ->> 'at')::timestamptz, p_now);
        if (p_act ->> 'reopens')::boolean and v_answer #>> '{refusal,affordable}' is not null then
          perform ledger.resize_hold(p_act ->> 'hold_id', (v_answer #>> '{refusal,affordable}')::bigint,
            'Held again, as far as the money goes', p_act ->> 'actor', null, null, (p_act ->> 'at')::timestamptz, p_now);
        end if;
        -- Where money is short the hold keeps what it has; what becomes of the job is the account's policy (rulings 11).
        return jsonb_build_object('shortfall', case when v_answer ? 'refusal' then
          jsonb_build_object(
            'why', p_act ->> 'why', 'policy', p_act ->> 'policy', 'requested', v_answer ->> 'requested',
            'refusal', v_answer -> 'refusal', 'at', p_act ->> 'at') end);
      end if;
    else raise exception 'a story cannot %', p_act ->> 'act';
  end case;
  return null;
end;
$$;
