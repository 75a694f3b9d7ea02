-- find_asbb_faults lists, of ASBB's accounts, everything that a person should know of: where their balances are not what their
-- transactions say, and what of them is not as it was here. What is to be known of single transactions is in domain/asbb-findings.ts.
-- One row a finding, into a staging table.
create function ledger.find_asbb_faults(p_at timestamptz) returns void
language sql volatile
as $$
  insert into ledger.asbb_findings (account_id, kind, transaction_id, job_id, at, amount_micro, detail)
  select s.id, f.kind, null, null, null, f.amount, f.detail
  from ledger.asbb_accounts s
  join ledger.asbb_balances b on b.account_id = s.id
  left join ledger.accounts a on a.name = s.name
  left join ledger.imported_accounts i on i.account_no = a.account_no and i.origin = ledger.asbb_origin(s)
  cross join lateral (
    select 'used_was_wrong' as kind, b.used_micro - s.used_micro as amount,
      format('ASBB says %s was used, its transactions say %s', ledger.decimal_of(s.used_micro), ledger.decimal_of(b.used_micro)) as detail
    where s.used_micro <> b.used_micro
    union all
    select 'held_was_wrong', b.open_micro - s.held_micro,
      format('ASBB says %s is held, open holds say %s', ledger.decimal_of(s.held_micro), ledger.decimal_of(b.open_micro))
    where s.held_micro <> b.open_micro
    union all
    select 'overspent', s.limit_micro - b.used_micro - b.open_micro,
      format('%s was used and %s is held of %s', ledger.decimal_of(b.used_micro), ledger.decimal_of(b.open_micro), ledger.decimal_of(s.limit_micro))
    where b.used_micro + b.open_micro > s.limit_micro
    union all
    select 'status_changed', null, 'ASBB calls it expired before its end; it is inactive here'
    where s.status = 'expired' and s.ends_at > p_at
    union all
    select 'came_later', null, format('ASBB has transactions after number %s, the last that was imported', i.last_id)
    where b.last_id > coalesce(i.last_id, case when i.account_no is not null then 0 end)
  ) f
$$;
