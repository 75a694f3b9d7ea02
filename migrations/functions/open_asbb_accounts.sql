-- open_asbb_accounts makes accounts of some of ASBB's, with their two funds and without money yet, and says under which numbers. Those
-- that are here already are left as they are, and out of the answer: who asks again gets nothing twice. The caller writes their
-- movements in the same transaction (ledger/imports/asbb-books.ts), and ends with close_asbb_accounts and finish_asbb_accounts.
--
-- These accounts are new and nobody can see them before this commits, so no lock is needed. Settings: {unit, time_zone}.
create function ledger.open_asbb_accounts(p_account_ids bigint[], p_settings jsonb, p_at timestamptz)
returns table (id bigint, account_no bigint, base_no bigint, over_no bigint)
language plpgsql volatile
as $$
#variable_conflict use_column
declare
  v_fund_id constant text := ledger.new_id('fund');
  v_ids constant bigint[] := array(
    select s.id from ledger.asbb_accounts s
    where s.id = any (p_account_ids) and not exists (
      select from ledger.accounts a join ledger.imported_accounts i using (account_no) where a.name = s.name));
begin
  insert into ledger.accounts (account_no, name, title, description, unit, time_zone, status, starts_at, ends_at, root_no)
  overriding system value
  select no, name, title, coalesce(description, ''), p_settings ->> 'unit', p_settings ->> 'time_zone',
    case when status = 'expired' then case when ends_at <= p_at then 'active' else 'inactive' end else status end,
    starts_at, ends_at, no
  from (
    select *, nextval(pg_get_serial_sequence('ledger.accounts', 'account_no')) as no
    from (select * from ledger.asbb_accounts where id = any (v_ids) order by created_at, id) s) numbered;

  insert into ledger.funds (fund_id, account_no, source, opens_at, closes_at)
  select ledger.bulk_id(v_fund_id), a.account_no, f.source, f.opens_at, f.closes_at
  from ledger.asbb_accounts s
  join ledger.accounts a using (name)
  cross join lateral (values ('base', a.starts_at, a.ends_at), ('overdraft', '-infinity', 'infinity')) as f (source, opens_at, closes_at)
  where s.id = any (v_ids);

  return query
  select s.id, a.account_no, base.fund_no, over.fund_no
  from ledger.asbb_accounts s
  join ledger.accounts a using (name)
  join ledger.funds base on base.account_no = a.account_no and base.source = 'base'
  join ledger.funds over on over.account_no = a.account_no and over.source = 'overdraft'
  where s.id = any (v_ids);
end;
$$;
