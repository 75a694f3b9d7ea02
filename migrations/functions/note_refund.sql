-- note_refund writes down that the user of a charge is to be told of a refund. In the transaction of the refund itself: what
-- was not committed is not told, and what was cannot be forgotten.
create function ledger.note_refund(p_refund_no bigint, p_charge ledger.charges) returns void
language sql volatile
as $$
  insert into ledger.notices (refund_no, user_name)
  select p_refund_no, p_charge.user_name where p_charge.user_name is not null
$$;
