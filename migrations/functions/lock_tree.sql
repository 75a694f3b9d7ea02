-- lock_tree takes the mutex of every tree that these accounts belong to: the root's row of account_totals, in the order of
-- its number. Whoever moves money or changes an account, a fund or a limit calls it first, once, with all the accounts it
-- will touch. It is the only lock anybody needs, and the fixed order is why nobody waits in a circle.
--
-- It must be a statement of its own: the one after it has a new snapshot and so sees what the last owner of the lock did.
-- Where an account was moved under another root while we waited, the call fails as a serialization failure and is repeated
-- by the caller (ledger/errors.ts), because adding a lock out of order could deadlock.
create function ledger.lock_tree(p_account_nos bigint[]) returns void
language plpgsql volatile
as $$
declare
  v_root_nos bigint[];
begin
  select array_agg(distinct root_no) into v_root_nos from ledger.accounts where account_no = any (p_account_nos);

  perform from ledger.account_totals where account_no = any (v_root_nos) order by account_no for no key update;

  if exists (select from ledger.accounts where account_no = any (p_account_nos) and root_no <> all (v_root_nos)) then
    raise exception 'an account moved to another tree while its lock was awaited' using errcode = '40001';
  end if;
end;
$$;

create function ledger.lock_tree(p_account_no bigint) returns void
language sql volatile
as $$ select ledger.lock_tree(array[p_account_no]) $$;
