-- count_on_caps adds to what the caps of this partition and user have settled and hold, where their window covers the moment.
--
-- Call it before the rows it counts are written: a row made from a template starts with what limit_use finds in them.
create function ledger.count_on_caps(
  p_account_no bigint, p_partition text, p_user text, p_at timestamptz, p_settled_micro bigint, p_held_micro bigint
) returns void
language plpgsql volatile
as $$
begin
  if p_settled_micro = 0 and p_held_micro = 0 then return; end if;

  insert into ledger.limits (
    account_no, partition, user_name, limit_micro, opens_at, closes_at, settled_micro, held_micro, from_template)
  select p_account_no, c.partition, c.user_name, c.limit_micro, c.opens_at, c.closes_at, c.settled_micro, c.held_micro, true
  from ledger.caps_of(p_account_no, p_partition, p_user, p_at) c
  where c.limit_no is null;

  update ledger.limits l
  set settled_micro = l.settled_micro + p_settled_micro, held_micro = l.held_micro + p_held_micro
  from ledger.caps_of(p_account_no, p_partition, p_user, p_at) c
  where l.limit_no = c.limit_no;
end;
$$;
