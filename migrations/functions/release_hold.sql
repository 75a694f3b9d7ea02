-- release_hold closes a hold because somebody asks for it, gives back what is left of it, and rings its story in the same
-- commit: it ends with its hold, and should not find out a day later.
--
-- Idempotent by the caller's key: the first answer, the hold as it was then. A closed hold is answered as it is. Racing
-- with a charge or another release, one goes first and the other finds what it left.
create function ledger.release_hold(p_hold_id text, p_reason text, p_principal text, p_key text, p_body_hash bytea) returns jsonb
language plpgsql volatile
as $$
declare
  v_hold ledger.holds := ledger.lock_hold(p_hold_id);
  v_answer jsonb := ledger.replayed(p_principal, 'release', p_key, p_body_hash);
begin
  if v_answer is not null then return v_answer; end if;
  if v_hold.status = 'open' then
    perform ledger.release_rest(v_hold.hold_no, p_reason, p_principal, clock_timestamp(), clock_timestamp());
    perform ledger.ring_stories(array[coalesce(v_hold.group_no, v_hold.hold_no)]);
  end if;
  return ledger.remember(p_principal, 'release', p_key, p_body_hash, ledger.describe_hold(v_hold.hold_no));
end;
$$;
