-- release_unheard closes a hold of which nothing is seen any more and gives back what is left of it, unless something was heard
-- of it meanwhile: p_events is how many events of its story's jobs there were when that was decided. Returns whether it did.
--
-- Racing with an event that binds the hold, one goes first: a job whose hold was given back is charged without. Idempotent.
create function ledger.release_unheard(p_hold_id text, p_reason text, p_principal text, p_events int) returns boolean
language plpgsql volatile
as $$
declare
  v_hold ledger.holds := ledger.lock_hold(p_hold_id);
  v_leader_no bigint := coalesce(v_hold.group_no, v_hold.hold_no);
begin
  if v_hold.status <> 'open' then
    return false;
  end if;
  if p_events <> (
    select count(*)
    from (select v_leader_no as hold_no union select h.hold_no from ledger.holds h where h.group_no = v_leader_no) member
    join ledger.jobs j on j.hold_no = member.hold_no
    cross join lateral ledger.events_of_job(j) e)
  then
    return false;
  end if;
  perform ledger.release_rest(v_hold.hold_no, p_reason, p_principal, clock_timestamp(), clock_timestamp());
  perform ledger.ring_stories(array[v_leader_no]);
  return true;
end;
$$;
