-- hold_before_change: of a job whose hold was moved by changes of it, the hold that it would have if Slurm had not made them; null
-- where it made them, or where nothing says so. Slurm changes account and partition only after the hold was moved, so a record from
-- after that which still names what was there before tells that it did not. The account decides where a record names one: of
-- several partitions a job may start in one that it had before.
create function ledger.hold_before_change(
  p_hold_no bigint, p_account text, p_partition text, p_at timestamptz
) returns bigint
language plpgsql stable
as $$
declare
  v_now record;
  v_step record;
begin
  select h.hold_no, h.partition, h.placed_at, h.split_from, a.name as account into v_now
  from ledger.holds h join ledger.accounts a using (account_no) where h.hold_no = p_hold_no;
  v_step := v_now;
  loop
    if (p_at > v_step.placed_at) is not true then return null; end if;
    select h.hold_no, h.partition, h.placed_at, h.split_from, a.name as account into v_step
    from ledger.holds h join ledger.accounts a using (account_no)
    where h.replaced_by = v_step.hold_no or h.hold_no = v_step.split_from
    order by h.hold_no desc limit 1;
    if not found then return null; end if;
    if (p_account is null or p_account = v_step.account)
      and (p_account <> v_now.account or (p_partition = v_step.partition and p_partition <> v_now.partition))
    then
      return v_step.hold_no;
    end if;
  end loop;
end;
$$;
