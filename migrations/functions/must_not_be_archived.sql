-- must_not_be_archived refuses what people ask for on an archived account.
create function ledger.must_not_be_archived(p_account ledger.accounts) returns void
language plpgsql stable
as $$
begin
  if p_account.archived_at is not null then
    perform ledger.fail('account_archived', format('Account "%s" is archived; unarchive it first.', p_account.name),
      jsonb_build_object('account', p_account.name, 'archived_at', p_account.archived_at));
  end if;
end;
$$;
