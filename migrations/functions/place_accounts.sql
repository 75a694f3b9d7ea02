-- place_accounts gives every new account of a staged file its number and its place below its parents, which come first. Accounts
-- that came from the same line before are left out. Returns how many are placed: fewer than there are new ones where parents go
-- round in a circle, or sixteen levels are not enough.
create function ledger.place_accounts() returns bigint
language plpgsql volatile
set enable_nestloop = off
as $$
declare
  v_placed bigint;
  v_all bigint := 0;
begin
  insert into ledger.account_places (place, line, account_no, parent_no, root_no, ancestors)
  select place, line, no, parent_no, coalesce(root_no, no), ancestors
  from (
    select r.line, p.account_no as parent_no, p.root_no, case when p.account_no is null then '{}' else p.account_no || p.ancestors end as ancestors,
      row_number() over (order by r.line) as place, nextval(pg_get_serial_sequence('ledger.accounts', 'account_no')) as no
    from ledger.account_rows r
    left join ledger.accounts here on here.name = r.name
    left join ledger.accounts p on p.name = r.parent
    where here.account_no is null and (r.parent is null or p.account_no is not null)
  ) root;
  loop
    get diagnostics v_placed = row_count;
    v_all := v_all + v_placed;
    exit when v_placed = 0;
    insert into ledger.account_places (place, line, account_no, parent_no, root_no, ancestors)
    select v_all + row_number() over (order by r.line), r.line, nextval(pg_get_serial_sequence('ledger.accounts', 'account_no')),
      above.account_no, above.root_no, above.account_no || above.ancestors
    from ledger.account_rows r
    join ledger.account_rows p on p.name = r.parent
    join ledger.account_places above on above.line = p.line
    where cardinality(above.ancestors) < 15 and not exists (select from ledger.account_places done where done.line = r.line);
  end loop;
  return v_all;
end;
$$;
