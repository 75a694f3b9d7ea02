-- remove_limit takes a cap away. Whoever then falls under a template again gets its row at the next hold; a template takes
-- the rows that it made with it.
--
-- Idempotent by the caller's key; without one, the second removal finds no such limit. Of two that race, one removes it.
create function ledger.remove_limit(
  p_account text, p_partition text, p_user text, p_principal text, p_key text, p_body_hash bytea
) returns void
language plpgsql volatile
as $$
declare
  v_account ledger.accounts := ledger.lock_account(p_account);
  v_limit ledger.limits;
begin
  if ledger.replayed(p_principal, 'remove_limit', p_key, p_body_hash) is not null then return; end if;
  delete from ledger.limits
  where account_no = v_account.account_no and partition is not distinct from p_partition and user_name is not distinct from p_user
    and not from_template
  returning * into v_limit;
  if not found then
    perform ledger.fail('limit_not_found',
      format('Account "%s" has no such limit%s%s.', p_account, coalesce(' of partition ' || p_partition, ''), coalesce(' for user ' || p_user, '')),
      jsonb_build_object('account', p_account, 'partition', p_partition, 'user', p_user));
  end if;
  if p_user = '*' then
    delete from ledger.limits
    where account_no = v_account.account_no and partition is not distinct from p_partition and from_template;
  end if;
  perform ledger.note_change('limit', p_account, null, 'remove_limit', p_principal, ledger.settings_of_limit(v_limit), null);
  perform ledger.remember(p_principal, 'remove_limit', p_key, p_body_hash, to_jsonb(v_limit));
end;
$$;
