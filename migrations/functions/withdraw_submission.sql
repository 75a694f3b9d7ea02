-- withdraw_submission gives back the hold of a submission that came to nothing, by the key of its hook: 'withdrawn';
-- 'closed' where it is over already, 'bound' where it is a job's and stays, 'unknown' where nothing was held with that key.
--
-- Idempotent. Racing with an event that binds the hold, one goes first: a job whose hold was withdrawn is charged without.
create function ledger.withdraw_submission(p_cluster_no int, p_key text, p_reason text, p_principal text) returns text
language plpgsql volatile
as $$
declare
  v_hold ledger.holds;
begin
  select h.* into v_hold
  from ledger.decisions d join ledger.holds h on h.hold_no = d.decision_no
  where d.key = p_key and d.code = 'placed' and h.cluster_no = p_cluster_no
  order by d.decision_no desc limit 1;
  if not found then
    return 'unknown';
  end if;
  v_hold := ledger.lock_hold(v_hold.hold_id);
  if v_hold.status <> 'open' then
    return 'closed';
  end if;
  if exists (select from ledger.jobs j where j.hold_no = v_hold.hold_no) then
    return 'bound';
  end if;
  perform ledger.release_rest(v_hold.hold_no, p_reason, p_principal, clock_timestamp(), clock_timestamp());
  perform ledger.ring_stories(array[v_hold.hold_no]);
  return 'withdrawn';
end;
$$;
