-- lock_account finds an account by its name, takes its tree's mutex, and returns the account as it is under the lock.
create function ledger.lock_account(p_name text) returns ledger.accounts
language plpgsql volatile
as $$
declare
  v_account ledger.accounts;
begin
  select * into v_account from ledger.accounts where name = p_name;
  if not found then
    perform ledger.fail('account_not_found', format('There is no account "%s".', p_name), jsonb_build_object('account', p_name));
  end if;
  perform ledger.lock_tree(v_account.account_no);
  select * into v_account from ledger.accounts where account_no = v_account.account_no;
  return v_account;
end;
$$;
