-- finish_accounts does what concerns the accounts of a file together: what their parents count, their caps, whose overdraft is
-- beyond what is allowed. In the transaction of book_accounts, under the locks of the trees that were there before.
create function ledger.finish_accounts(p_settings jsonb) returns void
language plpgsql volatile
set enable_nestloop = off
as $$
declare
  v_over record;
begin
  update ledger.account_totals t
  set subtree_settled_micro = t.subtree_settled_micro + below.used
  from (
    select above.account_no, sum(r.used_micro)::bigint as used
    from ledger.account_places p join ledger.account_rows r using (line) cross join lateral unnest(p.ancestors) as above (account_no)
    where r.used_micro > 0
    group by above.account_no) below
  where t.account_no = below.account_no;
  update ledger.account_totals t set has_children = true
  from (select distinct parent_no from ledger.account_places where parent_no is not null) p
  where t.account_no = p.parent_no and not t.has_children;

  select a.name, t.subtree_settled_micro + t.subtree_held_micro as micro into v_over
  from ledger.account_totals t join ledger.accounts a using (account_no)
  where t.subtree_settled_micro + t.subtree_held_micro >= 8589934592000000 limit 1;
  if found then
    perform ledger.fail('ceiling_exceeded', format('What is used below account "%s" would be %s; no balance may reach 8589934592 (2^33).',
      v_over.name, ledger.decimal_of(v_over.micro)), jsonb_build_object('account', v_over.name));
  end if;

  insert into ledger.limits (account_no, partition, user_name, limit_micro)
  select p.account_no, l.partition, l.user_name, l.limit_micro
  from ledger.account_limit_rows l join ledger.account_rows r using (name) join ledger.account_places p on p.line = r.line;
  insert into ledger.changes (subject, name, action, actor, after)
  select 'limit', l.name, 'set_limit', p_settings ->> 'actor', jsonb_strip_nulls(jsonb_build_object(
    'partition', l.partition, 'user', l.user_name, 'limit_micro', l.limit_micro::text))
  from ledger.account_limit_rows l join ledger.account_rows r using (name) join ledger.account_places p on p.line = r.line;

  perform set_config('enable_nestloop', 'on', true); -- Account by account, through indexes.
  perform ledger.flag_overspending(p.account_no)
  from ledger.account_places p join ledger.account_rows r using (line) where r.used_micro > r.limit_micro;
end;
$$;
