-- remember keeps a command's answer under its key, for replayed(), and gives it back.
create function ledger.remember(p_principal text, p_operation text, p_key text, p_body_hash bytea, p_answer jsonb) returns jsonb
language plpgsql volatile
as $$
begin
  if p_key is not null then
    insert into ledger.commands (principal, operation, key, body_hash, answer)
    values (p_principal, p_operation, p_key, coalesce(p_body_hash, ''), p_answer);
  end if;
  return p_answer;
end;
$$;
