-- archive_account archives an account or brings it back. An account with open holds stays: holds_open. Its name, its money
-- and its history stay in any case; jobs that ran are charged to it also later.
--
-- Idempotent by the caller's key, and by itself: what is archived already is answered as it is. Racing with a check, either
-- the hold is there and keeps the account open, or the check finds it archived.
create function ledger.archive_account(p_name text, p_archived boolean, p_principal text, p_key text, p_body_hash bytea)
returns jsonb
language plpgsql volatile
as $$
declare
  v_operation constant text := case when p_archived then 'archive_account' else 'unarchive_account' end;
  v_account ledger.accounts := ledger.lock_account(p_name);
  v_answer jsonb := ledger.replayed(p_principal, v_operation, p_key, p_body_hash);
  v_holds bigint;
  v_held bigint;
  v_before jsonb := ledger.settings_of_account(v_account.account_no);
begin
  if v_answer is not null then return v_answer; end if;
  if p_archived and v_account.archived_at is null then
    select count(*), sum(held_micro) into v_holds, v_held
    from ledger.holds where account_no = v_account.account_no and status = 'open';
    if v_holds > 0 then
      perform ledger.fail('holds_open',
        format('Account "%s" has %s open hold%s with %s %s; they end with their jobs.', p_name, v_holds,
          case when v_holds = 1 then '' else 's' end, ledger.decimal_of(v_held), v_account.unit),
        jsonb_build_object('account', p_name, 'open_holds', v_holds, 'held', ledger.decimal_of(v_held)));
    end if;
  end if;
  if p_archived <> (v_account.archived_at is not null) then
    update ledger.accounts
    set archived_at = case when p_archived then clock_timestamp() end, updated_at = clock_timestamp()
    where account_no = v_account.account_no;
  end if;
  perform ledger.note_change('account', p_name, null, v_operation, p_principal, v_before, ledger.settings_of_account(v_account.account_no));
  return ledger.remember(p_principal, v_operation, p_key, p_body_hash,
    ledger.describe_account(v_account.account_no, clock_timestamp()));
end;
$$;
