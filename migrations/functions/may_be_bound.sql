-- may_be_bound: is a job free to be bound to a hold? It is if it has none, or one that was opened late for want of a better
-- and has paid for nothing yet.
create or replace function ledger.may_be_bound(p_hold_no bigint) returns boolean
language sql stable
as $$
  select p_hold_no is null or exists (
    select from ledger.holds h
    where h.hold_no = p_hold_no and h.late and not exists (select from ledger.charges c where c.hold_no = h.hold_no))
$$;
