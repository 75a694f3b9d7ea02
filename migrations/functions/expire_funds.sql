-- expire_funds expires what is due in one account (see expire_account) and returns how many funds lost money.
--
-- Idempotent: what has expired is not free any more. Racing with itself, one call expires it and the other finds nothing;
-- racing with a release, what comes back too late for this call expires in the release (see release_rest).
create function ledger.expire_funds(p_account_no bigint, p_now timestamptz, p_actor text) returns int
language plpgsql volatile
as $$
begin
  perform ledger.lock_tree(p_account_no);
  return ledger.expire_account(p_account_no, p_now, p_actor);
end;
$$;
