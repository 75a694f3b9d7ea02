-- expire_funds expires what is due in one account (see expire_account) and returns how many funds lost money. Idempotent.
create function ledger.expire_funds(p_account_no bigint, p_now timestamptz, p_actor text) returns int
language plpgsql volatile
as $$
begin
  perform ledger.lock_tree(p_account_no);
  return ledger.expire_account(p_account_no, p_now, p_actor);
end;
$$;
