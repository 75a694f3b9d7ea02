-- audit_trees: ancestors and roots follow from the parents, and every subtree's counters from its accounts.
create function ledger.audit_trees() returns table (check_name text, subject text, detail text, difference_micro numeric)
language sql stable
as $$
  with recursive up as (
    select account_no, parent_no as ancestor_no, 1 as place from ledger.accounts where parent_no is not null
    union all
    select up.account_no, a.parent_no, up.place + 1
    from up join ledger.accounts a on a.account_no = up.ancestor_no
    where a.parent_no is not null and up.place < 100
  ), line as (
    select a.account_no, a.name, a.ancestors, a.root_no, coalesce(array_agg(up.ancestor_no order by up.place) filter (where up.ancestor_no is not null), '{}') as true_ancestors
    from ledger.accounts a left join up on up.account_no = a.account_no
    group by a.account_no
  ), below as (
    select node.account_no, sum(t.settled_micro) as settled, sum(t.held_micro) as held
    from line cross join lateral unnest(line.account_no || line.true_ancestors) as node (account_no)
    join ledger.account_totals t on t.account_no = line.account_no
    group by node.account_no
  )
  select 'account_knows_its_ancestors', format('account %s', name), format('ancestors %s, root %s; the parents say %s', ancestors, root_no, true_ancestors), 0::numeric
  from line
  where ancestors <> true_ancestors or root_no <> coalesce(true_ancestors[cardinality(true_ancestors)], account_no)
  union all
  select 'account_has_totals', format('account %s', a.name), 'there is no row of totals', 0
  from ledger.accounts a left join ledger.account_totals t on t.account_no = a.account_no where t.account_no is null
  union all
  select 'subtree_matches_its_accounts', format('account %s', line.name),
    format('%s below it is %s, the accounts say %s', part.what, ledger.decimal_of(part.kept), ledger.decimal_of(part.said::bigint)), abs(part.kept - part.said)
  from line
  join ledger.account_totals t on t.account_no = line.account_no
  join below on below.account_no = line.account_no
  cross join lateral (values ('settled', t.subtree_settled_micro, below.settled), ('held', t.subtree_held_micro, below.held)) as part (what, kept, said)
  where part.kept <> part.said
  union all
  select 'parent_knows_that_it_is_one', format('account %s', line.name), format('has_children is %s', t.has_children), 0
  from line
  join ledger.account_totals t on t.account_no = line.account_no
  where t.has_children <> exists (select from ledger.accounts child where child.parent_no = line.account_no)
$$;
