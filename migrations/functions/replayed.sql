-- replayed answers a command that was done before with what it answered then, null where the key is new or missing, and
-- fails where the key was used with another body (rulings 9).
--
-- Called under the tree's lock, so two calls with one key on one account cannot both find it new. On different accounts
-- the primary key of ledger.commands stops the second, and its caller asks again (ledger/errors.ts).
create function ledger.replayed(p_principal text, p_operation text, p_key text, p_body_hash bytea) returns jsonb
language plpgsql stable
as $$
declare
  v_command ledger.commands;
begin
  if p_key is null then return null; end if;
  select * into v_command from ledger.commands where key = p_key and operation = p_operation and principal = p_principal;
  if not found then return null; end if;
  if v_command.body_hash <> coalesce(p_body_hash, '') then
    perform ledger.fail('key_reused', format('The key "%s" was used for another %s. Use a new key for a new request.', p_key, p_operation),
      jsonb_build_object('key', p_key, 'first_used_at', v_command.recorded_at));
  end if;
  return v_command.answer;
end;
$$;
