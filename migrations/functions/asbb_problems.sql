-- asbb_problems names what keeps some ASBB accounts, which read_asbb has read, from being imported, each with what it is about. No row:
-- they may be.
create function ledger.asbb_problems(p_account_ids bigint[]) returns table (subject text, problem text)
language sql stable
as $$
  with account as (
    select s.*, a.account_no, i.origin is not null and i.origin = ledger.asbb_origin(s) as is_imported
    from ledger.asbb_accounts s
    left join ledger.accounts a on a.name = s.name
    left join ledger.imported_accounts i on i.account_no = a.account_no
    where s.id = any (p_account_ids)
  )
  select format('account "%s"', name), 'is here already and did not come from this database; rename or import into another Bursar'
  from account where account_no is not null and not is_imported
  union all
  select format('account "%s"', name), 'has a name that no account here may have: no slash, no space in front, 64 characters at most'
  from account where name !~ '^[^\s/][^/]{0,63}$'
  union all
  select format('account "%s"', name), format('has the status "%s", which ASBB does not have', status)
  from account where status not in ('active', 'inactive', 'suspended', 'expired')
  union all
  select format('account "%s"', name), 'ends before it starts' from account where ends_at <= starts_at
  union all
  select format('account "%s"', s.name), 'has amounts of 8589934592 (2^33) or more, the most that any amount or balance here may be'
  from account s left join ledger.asbb_balances b on b.account_id = s.id
  where s.limit_micro is null or s.limit_micro + coalesce(b.given_micro, 0) >= 8589934592000000
    or coalesce(b.used_micro + b.given_micro + b.open_micro, 0) >= 8589934592000000
  union all
  select format('limit of account "%s", partition "%s"', s.name, l.partition), 'is 8589934592 (2^33) or more'
  from ledger.asbb_limits l join account s on s.id = l.account_id where l.limit_micro is null
  union all
  select format('transaction "%s" of account "%s"', t.transaction_id, s.name), case
    when t.amount_micro is null then 'has no amount, or one of 8589934592 (2^33) or more'
    when t.type not in ('hold', 'charge', 'refund', 'adjustment') then format('is of the type "%s", which version 3 of ASBB does not have', t.type)
    when t.amount_micro < 0 then format('is a %s below zero', t.type)
    else 'has an id that no transaction here can have: txn_ and what can be printed, 128 characters at most'
  end
  from ledger.asbb_transactions t join account s on s.id = t.account_id
  where t.account_id = any (p_account_ids) and (
    t.amount_micro is null or t.type not in ('hold', 'charge', 'refund', 'adjustment') or (t.amount_micro < 0 and t.type <> 'charge')
    -- In three parts: a bounded repetition costs sixty microseconds a row.
    or t.transaction_id not like 'txn\__%' or length(t.transaction_id) > 128 or t.transaction_id ~ '[^\x21-\x7e]')
  union all
  select format('transaction "%s" of account "%s"', t.transaction_id, s.name), 'has the id of a transaction that is here already'
  from ledger.asbb_transactions t
  join account s on s.id = t.account_id
  where t.account_id = any (p_account_ids) and not s.is_imported and (
    exists (select from ledger.transactions o where o.transaction_id = t.transaction_id)
    or exists (select from ledger.holds o where o.hold_id = t.transaction_id))
$$;
