-- flag_overspending keeps accounts.overspent_at true: set since a charge took the account below what its funds and its
-- overdraft policy cover, cleared when money brings it back (decision 4 of the ledger: charges are never refused).
create function ledger.flag_overspending(p_account_no bigint) returns void
language sql volatile
as $$
  update ledger.accounts a
  set overspent_at = case when s.available_micro < -s.overdraft_micro then clock_timestamp() end, updated_at = clock_timestamp()
  from ledger.spendable(p_account_no, clock_timestamp()) s
  where a.account_no = p_account_no
    and (s.available_micro < -s.overdraft_micro) <> (a.overspent_at is not null)
$$;
