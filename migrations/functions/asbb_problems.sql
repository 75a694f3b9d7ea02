-- asbb_problems names what keeps ASBB's accounts and limits from being imported, each with what it is about. What of their
-- transactions and balances does is in domain/asbb-findings.ts.
create function ledger.asbb_problems() returns table (subject text, problem text)
language sql stable
as $$
  with account as (
    select s.*, a.account_no, i.origin is not null and i.origin = ledger.asbb_origin(s) as is_imported
    from ledger.asbb_accounts s
    left join ledger.accounts a on a.name = s.name
    left join ledger.imported_accounts i on i.account_no = a.account_no
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
  select format('account "%s"', name), 'starts at no time that a calendar has' from account where not isfinite(starts_at)
  union all
  select format('account "%s"', name), 'has used or held in ASBB''s own columns what no number here can be: 8589934592 (2^33) or more, or NaN'
  from account where used_micro is null or held_micro is null
  union all
  select format('limit of account "%s", partition "%s"', s.name, l.partition), 'is below zero'
  from ledger.asbb_limits l join account s on s.id = l.account_id
  where l.limit_micro < 0
  union all
  select format('limit of account "%s", partition "%s"', s.name, l.partition), 'is 8589934592 (2^33) or more'
  from ledger.asbb_limits l join account s on s.id = l.account_id
  where l.limit_micro is null
$$;
