-- close_hold ends a hold and gives what is left of it back, exactly once; a closed hold is answered as it is, so it needs
-- no key. Racing with a charge or another close, one goes first and the other finds what it left.
create function ledger.close_hold(p_hold_id text, p_description text, p_actor text, p_effective_at timestamptz, p_now timestamptz)
returns ledger.holds
language plpgsql volatile
as $$
declare
  v_hold ledger.holds := ledger.lock_hold(p_hold_id);
begin
  perform ledger.release_rest(v_hold.hold_no, p_description, p_actor,
    coalesce(p_effective_at, p_now, clock_timestamp()), coalesce(p_now, clock_timestamp()));
  select * into strict v_hold from ledger.holds where hold_no = v_hold.hold_no;
  return v_hold;
end;
$$;
