-- standing_hold: the hold that a job with the stamp of this one has now. Where the job was changed it is the one that took its
-- place, for the stamp on the job may be older than the change. Null where the change was never made: Slurm changes account
-- and partition only after the hold was moved, and a record from after that still names what was there before.
create function ledger.standing_hold(p_hold_no bigint, p_account text, p_partition text, p_at timestamptz) returns bigint
language plpgsql stable
as $$
declare
  v_hold_no bigint := p_hold_no;
  v_step record;
begin
  if v_hold_no is null then return null; end if;
  loop
    select o.replaced_by, old.name as account, new.name as new_account, o.partition, n.partition as new_partition, n.placed_at
    into v_step
    from ledger.holds o
    join ledger.accounts old on old.account_no = o.account_no
    left join ledger.holds n on n.hold_no = o.replaced_by
    left join ledger.accounts new on new.account_no = n.account_no
    where o.hold_no = v_hold_no;
    if v_step.replaced_by is null then
      return v_hold_no;
    end if;
    if p_at > v_step.placed_at and (
      (p_account = v_step.account and p_account <> v_step.new_account)
      or (p_partition = v_step.partition and p_partition <> v_step.new_partition))
    then
      return null;
    end if;
    v_hold_no := v_step.replaced_by;
  end loop;
end;
$$;
