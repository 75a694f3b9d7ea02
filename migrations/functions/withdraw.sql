-- withdraw takes free money out of an account: from one fund, or from all that are not closed, soonest-to-expire last, so
-- that what stays is what lasts shortest.
--
-- "Free" leaves what covers the account's debt: nobody withdraws what was spent already. Idempotent by the caller's key;
-- racing with a hold, one of them goes first and the other finds what is left.
create function ledger.withdraw(
  p_account text, p_amount_micro bigint, p_unit text, p_fund_id text, p_description text,
  p_principal text, p_key text, p_body_hash bytea
) returns jsonb
language plpgsql volatile
as $$
declare
  v_account ledger.accounts := ledger.lock_account(p_account);
  v_answer jsonb := ledger.replayed(p_principal, 'withdraw', p_key, p_body_hash);
  v_fund_no bigint;
  v_txn_no bigint;
begin
  if v_answer is not null then return v_answer; end if;
  perform ledger.must_take_money(v_account, p_unit);
  if p_amount_micro <= 0 then
    perform ledger.fail('malformed_request', 'A withdrawal is more than zero.', jsonb_build_object('pointer', '/amount'));
  end if;
  if p_fund_id is not null then
    select fund_no into v_fund_no from ledger.funds
    where fund_id = p_fund_id and account_no = v_account.account_no and source <> 'overdraft';
    if not found then
      perform ledger.fail('fund_not_found', format('Account "%s" has no fund %s.', p_account, p_fund_id), jsonb_build_object('fund_id', p_fund_id));
    end if;
  end if;
  v_txn_no := ledger.take_money(v_account, v_fund_no, p_amount_micro, p_principal, p_description);
  return ledger.remember(p_principal, 'withdraw', p_key, p_body_hash, jsonb_build_object('txn_no', v_txn_no));
end;
$$;
