-- asbb_origin is what an ASBB account is recognised by when it is read again, from whatever copy of its database.
create function ledger.asbb_origin(p_account ledger.asbb_accounts) returns text
language sql stable
as $$ select format('asbb/%s/%s', p_account.id, ledger.epoch_micros(p_account.created_at)) $$;
