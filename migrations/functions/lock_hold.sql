-- lock_hold finds a hold by its id, takes its tree's mutex, and returns the hold as it is under the lock.
create function ledger.lock_hold(p_hold_id text) returns ledger.holds
language plpgsql volatile
as $$
declare
  v_hold ledger.holds;
begin
  select * into v_hold from ledger.holds where hold_id = p_hold_id;
  if not found then
    perform ledger.fail('hold_not_found', format('There is no hold %s.', p_hold_id), jsonb_build_object('hold_id', p_hold_id));
  end if;
  perform ledger.lock_tree(v_hold.account_no);
  select * into strict v_hold from ledger.holds where hold_no = v_hold.hold_no;
  return v_hold;
end;
$$;
