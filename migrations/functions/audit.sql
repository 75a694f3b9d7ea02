-- audit recomputes every balance from the entries and every counter from its rows, and says what differs. No row: the books
-- are right. difference_micro is by how much; 0 where the finding is no amount (a missing row, a wrong ancestor).
--
-- All of it sees the one snapshot of the statement that calls it, so it may run in the middle of traffic. It trusts no
-- function that moves money: what they keep is computed here a second time, another way.
create function ledger.audit() returns table (check_name text, subject text, detail text, difference_micro numeric)
language plpgsql stable
as $$
begin
  return query select * from ledger.audit_transactions();
  return query select * from ledger.audit_funds();
  return query select * from ledger.audit_trees();
  return query select * from ledger.audit_holds();
  return query select * from ledger.audit_charges();
  return query select * from ledger.audit_limits();
end;
$$;
