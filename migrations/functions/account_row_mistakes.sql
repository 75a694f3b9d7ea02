-- account_row_mistakes names what is wrong with a staged file of accounts that no line shows by itself: names that come twice,
-- that are taken, parents that cannot be. No row: it may be imported.
create function ledger.account_row_mistakes() returns table (line bigint, field text, mistake text)
language sql stable
set enable_nestloop = off
as $$
  with row as (
    select r.*, min(r.line) over (partition by r.name) as first_line from ledger.account_rows r
  ), here as (
    select row.line, a.account_no, i.origin from row join ledger.accounts a on a.name = row.name
    left join ledger.imported_accounts i on i.account_no = a.account_no
  ), parent as (
    select row.line, row.name, row.unit, row.parent, p.unit as parent_unit, a.unit as here_unit, a.archived_at, cardinality(a.ancestors) as above
    from row left join ledger.account_rows p on p.name = row.parent left join ledger.accounts a on a.name = row.parent
    where row.parent is not null
  )
  select line, 'account', format('"%s" is there already, in line %s', name, first_line) from row where line > first_line
  union all
  select row.line, 'account', case when here.origin is null then format('an account "%s" exists in Bursar already', row.name)
      else format('the account "%s" was imported before, from a line that said something else; change it with `bursar account update`', row.name) end
  from row join here on here.line = row.line where here.origin is distinct from row.origin
  union all
  select line, 'parent', case
      when parent = name then 'an account is not its own parent'
      when parent_unit is null and here_unit is null then format('there is no account "%s", neither in the file nor in Bursar', parent)
      when archived_at is not null then format('the account "%s" is archived', parent)
      when above >= 15 then 'sixteen levels are the most'
      else format('"%s" is kept in %s, not in %s', parent, coalesce(parent_unit, here_unit), unit) end
  from parent
  where parent = name or coalesce(parent_unit, here_unit) is distinct from unit or archived_at is not null or above >= 15
  union all
  select l.line, 'account', format('the account "%s" was imported before, without this limit; give it one with `bursar account set-limit`', l.name)
  from ledger.account_limit_rows l
  join ledger.account_rows r on r.name = l.name
  join here on here.line = r.line and here.origin = r.origin
  left join ledger.limits own on own.account_no = here.account_no
    and own.partition is not distinct from l.partition and own.user_name is not distinct from l.user_name
  where own.limit_no is null
  union all
  select l.line, 'account', format('the file has no line for the account "%s" itself', l.name)
  from ledger.account_limit_rows l left join ledger.account_rows r on r.name = l.name where r.name is null
  union all
  select line, case when partition is null then 'user' else 'partition' end, format('this limit is there already, in line %s', first_line)
  from (select l.*, min(l.line) over (partition by l.name, l.partition, l.user_name) as first_line from ledger.account_limit_rows l) l
  where line > first_line
$$;
