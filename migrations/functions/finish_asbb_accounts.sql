-- finish_asbb_accounts makes what of closed accounts (close_asbb_accounts) follows from their books: their limits with what they cover,
-- who is overspent; and notes where they came from and who made them. It looks account by account, through indexes.
create function ledger.finish_asbb_accounts(p_import_no bigint, p_account_nos bigint[], p_actor text) returns void
language plpgsql volatile
as $$
begin
  insert into ledger.imported_accounts (account_no, import_no, origin, last_id)
  select a.account_no, p_import_no, ledger.asbb_origin(s), b.last_id
  from ledger.accounts a
  join ledger.asbb_accounts s using (name)
  join ledger.asbb_balances b on b.account_id = s.id
  where a.account_no = any (p_account_nos);
  insert into ledger.limits (account_no, partition, limit_micro)
  select a.account_no, l.partition, l.limit_micro
  from ledger.accounts a
  join ledger.asbb_accounts s using (name)
  join ledger.asbb_limits l on l.account_id = s.id
  where a.account_no = any (p_account_nos);
  perform ledger.recount_limits(account_no) from (select distinct account_no from ledger.limits where account_no = any (p_account_nos)) l;
  perform ledger.flag_overspending(account_no) from ledger.funds
  where account_no = any (p_account_nos) and source = 'overdraft' and settled_micro + held_micro > 0;

  insert into ledger.changes (subject, name, action, actor, after)
  select 'account', a.name, 'create_account', p_actor, ledger.settings_of_account(a.account_no)
  from ledger.accounts a where a.account_no = any (p_account_nos)
  union all
  select 'limit', a.name, 'set_limit', p_actor, ledger.settings_of_limit(l)
  from ledger.limits l join ledger.accounts a using (account_no) where a.account_no = any (p_account_nos);
end;
$$;
