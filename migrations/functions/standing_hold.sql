-- standing_hold: the hold that a job with the stamp of this one has now. Where the job was changed it is the one that took its
-- place, for the stamp on the job may be older than the change.
create function ledger.standing_hold(p_hold_no bigint) returns bigint
language plpgsql stable
as $$
declare
  v_hold_no bigint := p_hold_no;
  v_next_no bigint;
begin
  loop
    select replaced_by into v_next_no from ledger.holds where hold_no = v_hold_no;
    if v_next_no is null then return v_hold_no; end if;
    v_hold_no := v_next_no;
  end loop;
end;
$$;
