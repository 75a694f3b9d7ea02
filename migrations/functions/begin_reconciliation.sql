-- begin_reconciliation writes down that a hold is to be settled with a reported cost, together with the event that says so.
-- No money moves yet; whoever asks again, or the story that the event rings, completes what a dead process has begun.
--
-- Idempotent by the caller's key, and by itself: the same cost of the same hold and task is one reconciliation, unless it
-- corrects another cost, when it is one for each change. Racing with itself, one call writes the row and the event, and the
-- others wait for it and find it. Of two bodies with one key, the second is undone whole and asks again (ledger/errors.ts).
--
-- p_before: {was_open, was_charged, held_micro}. Where p_events is null nothing may begin: null unless it had begun before.
create function ledger.begin_reconciliation(
  p_hold_id text, p_task text, p_cost_micro bigint, p_corrects text, p_before jsonb, p_events jsonb,
  p_principal text, p_key text, p_body_hash bytea
) returns ledger.reconciliations
language plpgsql volatile
as $$
declare
  v_answer jsonb := ledger.replayed(p_principal, 'begin_reconciliation', p_key, p_body_hash);
  v_hold_no bigint;
  v_begun ledger.reconciliations;
begin
  -- Where the cost has waited for a hold, its key is known and its reconciliation begins now.
  if v_answer ? 'reconciliation_no' then
    select * into strict v_begun from ledger.reconciliations
    where reconciliation_no = (v_answer ->> 'reconciliation_no')::bigint;
    return v_begun;
  end if;

  select hold_no into strict v_hold_no from ledger.holds where hold_id = p_hold_id;
  if p_corrects = '' then
    -- The last of that cost, since corrections may have led away from it and back.
    select * into v_begun from ledger.reconciliations
    where hold_no = v_hold_no and task = p_task and cost_micro = p_cost_micro
    order by reconciliation_no desc limit 1;
  end if;
  if v_begun.reconciliation_no is null then
    if p_events is null then return null; end if;
    insert into ledger.reconciliations (hold_no, task, cost_micro, corrects, was_open, was_charged, held_micro)
    values (v_hold_no, p_task, p_cost_micro, p_corrects, (p_before ->> 'was_open')::boolean,
      (p_before ->> 'was_charged')::boolean, (p_before ->> 'held_micro')::bigint)
    on conflict on constraint reconciliations_once do nothing
    returning * into v_begun;
    if found then
      perform ledger.record_events(p_events, p_principal, p_principal);
    else
      select * into strict v_begun from ledger.reconciliations
      where hold_no = v_hold_no and task = p_task and cost_micro = p_cost_micro and corrects = p_corrects;
    end if;
  end if;
  if v_answer is null then
    perform ledger.remember(p_principal, 'begin_reconciliation', p_key, p_body_hash,
      jsonb_build_object('reconciliation_no', v_begun.reconciliation_no));
  end if;
  return v_begun;
end;
$$;
