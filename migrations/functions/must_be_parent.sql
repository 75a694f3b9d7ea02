-- must_be_parent refuses a parent that an account cannot have: archived, of another unit, itself, or below it.
create function ledger.must_be_parent(p_account_no bigint, p_unit text, p_parent ledger.accounts) returns void
language plpgsql stable
as $$
declare
  v_reason text := case
    when p_parent.account_no is null then null
    when p_parent.archived_at is not null then 'it is archived'
    when p_parent.unit <> p_unit then format('it is kept in %s, not in %s', p_parent.unit, p_unit)
    when p_parent.account_no = p_account_no then 'an account is not its own parent'
    when p_account_no = any (p_parent.ancestors) then 'it is below the account itself'
    when cardinality(p_parent.ancestors) >= 15 then 'sixteen levels are the most'
  end;
begin
  if v_reason is not null then
    perform ledger.fail('invalid_parent', format('"%s" cannot be the parent: %s.', p_parent.name, v_reason), jsonb_build_object('parent', p_parent.name));
  end if;
end;
$$;
