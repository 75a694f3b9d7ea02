-- find_asbb_faults lists, for some ASBB accounts that read_asbb has read, everything that a person should know of: what ASBB had
-- wrong, what it never gave back, what was guessed, what is left out. One row a finding, into a staging table.
create function ledger.find_asbb_faults(p_account_ids bigint[], p_at timestamptz) returns void
language plpgsql volatile
set enable_nestloop = off
set jit = off
as $$
begin
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
  where s.id = any (p_account_ids);

  insert into ledger.asbb_findings (account_id, kind, transaction_id, job_id, at, amount_micro, detail)
  select t.account_id, f.kind, t.transaction_id, nullif(t.job_id, ''), t.created_at, t.amount_micro, f.detail
  from ledger.asbb_readings r
  join ledger.asbb_transactions t on t.id = r.id and t.account_id = r.account_id and t.account_id = any (p_account_ids)
  left join (
    select o.id, o.transaction_id, o.amount_micro
    from (select distinct coalesce(repeats_id, follows_id) as id from ledger.asbb_readings
          where account_id = any (p_account_ids) and (repeats_id is not null or follows_id is not null)) named
    join ledger.asbb_transactions o on o.id = named.id and o.account_id = any (p_account_ids)
  ) other on other.id = coalesce(r.repeats_id, r.follows_id)
  cross join lateral (
    select 'never_released' as kind, 'No charge belongs to it; closed, and its money comes back' as detail where r.role = 'closed'
    union all
    select 'still_open', 'No charge belongs to it yet; imported open' where r.role = 'open'
    union all
    select 'charged_twice', format('The same cost as %s of the same job', other.transaction_id) where r.repeats_id is not null
    union all
    select 'charged_again', format('Another cost of the job of %s, %s; which of them is right nobody can say', other.transaction_id, ledger.decimal_of(other.amount_micro))
    where r.follows_id is not null
    union all
    select 'negative_charge', 'It gave the account money; booked as a deposit' where r.role = 'negative'
    union all
    select 'charge_above_hold', format('Its hold was %s', ledger.decimal_of(r.hold_micro))
    where r.role = 'charge' and r.hold_micro < r.applied_micro
    union all
    select 'charge_without_hold', 'No hold fits it' where r.role = 'charge' and r.hold_id is null and r.repeats_id is null
    union all
    select 'without_effect', case
        when t.status <> 'completed' then format('ASBB never completed it: it is %s', t.status)
        when t.type = 'refund' then 'A refund that ASBB gave to nobody'
        else 'An adjustment, which ASBB never let change anything' end
    where r.role = 'void'
    union all
    select 'refund_beyond_charge', format('Only %s of the charge was left to give back', ledger.decimal_of(r.applied_micro))
    where r.role = 'refund' and r.applied_micro < t.amount_micro
  ) f
  where r.account_id = any (p_account_ids) and (
    r.role in ('closed', 'open', 'negative', 'void', 'refund') or r.repeats_id is not null or r.follows_id is not null
    or (r.role = 'charge' and (r.hold_id is null or r.hold_micro < r.applied_micro)));
end;
$$;
