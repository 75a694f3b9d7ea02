-- must_take_money refuses a movement that people ask for on an archived account or in another unit. (Charges and releases
-- are facts about jobs; they are never refused.)
create function ledger.must_take_money(p_account ledger.accounts, p_unit text) returns void
language plpgsql stable
as $$
begin
  perform ledger.must_not_be_archived(p_account);
  if p_unit <> p_account.unit then
    perform ledger.fail('unit_mismatch', format('Account "%s" is kept in %s, not in %s.', p_account.name, p_account.unit, p_unit),
      jsonb_build_object('account', p_account.name, 'unit', p_account.unit, 'requested_unit', p_unit));
  end if;
end;
$$;
