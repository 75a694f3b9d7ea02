-- act_on_story does what a story found due, all or nothing, in one transaction and one round trip, and remembers where the
-- story stands. Only domain/story.ts decides what is due; p_seen says what it had seen when it did.
--
-- Exactly once: stories of one hold act one after the other (the row of ledger.stories is locked first), and one that
-- decided from facts that have changed meanwhile is answered 'stale' and does nothing. What it does is idempotent besides:
-- charges by their run key, closing by the hold.
--
-- p_acts: what do_act takes, in the order in which it is to be done.
-- p_save: {due_at (microseconds), handled_through, state, quarantined}; null where more acts of the same telling follow.
--
-- Returns {outcome: 'stale' | 'done', replayed: [run keys that had been charged before], charges: how many there are now,
-- facts: as they are now, where there were acts and none follow}.
create or replace function ledger.act_on_story(p_hold_no bigint, p_seen jsonb, p_acts jsonb, p_save jsonb) returns jsonb
language plpgsql volatile
set plan_cache_mode = force_generic_plan
as $$
declare
  v_hold_nos bigint[];
  v_event_no bigint;
  v_charge_count bigint;
  v_act jsonb;
  v_answer jsonb;
  v_shortfall jsonb;
  v_resized boolean := false;
  v_replayed jsonb := '[]';
  v_closed boolean;
begin
  insert into ledger.stories (hold_no) values (p_hold_no) on conflict do nothing;
  perform from ledger.stories where hold_no = p_hold_no for update;

  select array_agg(hold_no) into v_hold_nos
  from (select p_hold_no as hold_no union select h.hold_no from ledger.holds h where h.group_no = p_hold_no) members;
  -- Before the facts are compared: a job whose hold is moved meanwhile (replace_hold, undo_replacement) is moved under this lock.
  if jsonb_array_length(p_acts) > 0 then
    perform ledger.lock_tree(array(
      select h.account_no from ledger.holds h where h.hold_no = any (v_hold_nos)
      union
      select c.account_no from jsonb_array_elements(p_acts) act (act)
      join ledger.charges c on c.run_key = coalesce(act.act #>> '{request,run_key}', act.act ->> 'run_key')));
  end if;
  select coalesce(max(e.event_no), 0) into v_event_no
  from ledger.jobs j cross join lateral ledger.events_of_job(j) e where j.hold_no = any (v_hold_nos);
  select count(*) into v_charge_count from ledger.charges where hold_no = any (v_hold_nos);
  if v_event_no <> (p_seen ->> 'event_no')::bigint or v_charge_count <> (p_seen ->> 'charges')::bigint then
    return jsonb_build_object('outcome', 'stale');
  end if;

  for v_act in select act from jsonb_array_elements(p_acts) as act loop
    v_answer := ledger.do_act(v_act, null);
    if v_answer ? 'replayed' then v_replayed := v_replayed || jsonb_build_array(v_answer -> 'replayed'); end if;
    if v_answer ? 'shortfall' then
      v_resized := true;
      v_shortfall := coalesce(nullif(v_answer -> 'shortfall', 'null'), v_shortfall);
    end if;
  end loop;

  select count(*) into v_charge_count from ledger.charges where hold_no = any (v_hold_nos);
  if p_save is null then
    return jsonb_build_object('outcome', 'done', 'replayed', v_replayed, 'charges', v_charge_count);
  end if;

  -- Where the acts closed the story, that is where it stands; no second call has to say so.
  v_closed := p_acts @? '$[*] ? (@.act == "close")' and not exists (
    select from ledger.holds where hold_no = any (v_hold_nos) and status = 'open');

  update ledger.stories
  set heard_at = clock_timestamp(),
      due_at = case when not v_closed then timestamptz 'epoch' + (p_save ->> 'due_at')::bigint * interval '1 microsecond' end,
      handled_through = greatest(handled_through, (p_save ->> 'handled_through')::bigint),
      shortfall = case when v_resized then v_shortfall else shortfall end
  where hold_no = p_hold_no;

  update ledger.jobs j
  set state = s.state, quarantined = s.quarantined, updated_at = clock_timestamp()
  from (
    select case
        when not v_closed then p_save ->> 'state'
        when v_charge_count > 0 then 'settled'
        else 'released' end as state,
      (p_save ->> 'quarantined')::boolean as quarantined) s
  where j.hold_no = any (v_hold_nos) and (j.state, j.quarantined) is distinct from (s.state, s.quarantined);

  return jsonb_build_object('outcome', 'done', 'replayed', v_replayed, 'charges', v_charge_count,
    'facts', case when jsonb_array_length(p_acts) > 0 then (select f.facts from ledger.story_facts(array[p_hold_no]) f) end);
end;
$$;
