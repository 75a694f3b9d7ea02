-- deposit brings money into an account: into its base fund, into a named fund, or, where a window is given, into a new one.
--
-- Idempotent by the caller's key. Funds of a window are never merged: each deposit with a window is a grant of its own.
-- Deposits that race are made one after the other, so that together they cannot pass the ceiling either.
create function ledger.deposit(
  p_account text, p_amount_micro bigint, p_unit text, p_opens_at timestamptz, p_closes_at timestamptz, p_fund_id text,
  p_source text, p_label text, p_description text, p_effective_at timestamptz,
  p_principal text, p_key text, p_body_hash bytea
) returns jsonb
language plpgsql volatile
as $$
declare
  v_account ledger.accounts := ledger.lock_account(p_account);
  v_answer jsonb := ledger.replayed(p_principal, 'deposit', p_key, p_body_hash);
  v_fund_no bigint;
  v_txn_no bigint;
begin
  if v_answer is not null then return v_answer; end if;
  perform ledger.must_take_money(v_account, p_unit);
  if p_amount_micro <= 0 then
    perform ledger.fail('malformed_request', 'A deposit is more than zero.', jsonb_build_object('pointer', '/amount'));
  end if;

  if p_fund_id is not null then
    select fund_no into v_fund_no from ledger.funds
    where fund_id = p_fund_id and account_no = v_account.account_no and source <> 'overdraft';
    if not found then
      perform ledger.fail('fund_not_found', format('Account "%s" has no fund %s.', p_account, p_fund_id), jsonb_build_object('fund_id', p_fund_id));
    end if;
  elsif p_opens_at is null and p_closes_at is null then
    select fund_no into v_fund_no from ledger.funds where account_no = v_account.account_no and source = 'base';
  elsif coalesce(p_closes_at, v_account.ends_at) <= coalesce(p_opens_at, v_account.starts_at) then
    perform ledger.fail('malformed_request', 'The window of a deposit ends after it starts.',
      jsonb_build_object('pointer', case when p_closes_at is null then '/opens_at' else '/closes_at' end));
  else
    insert into ledger.funds (fund_id, account_no, source, label, opens_at, closes_at)
    values (ledger.new_id('fund'), v_account.account_no, coalesce(p_source, 'manual'), coalesce(p_label, ''),
      coalesce(p_opens_at, v_account.starts_at), coalesce(p_closes_at, v_account.ends_at))
    returning fund_no into v_fund_no;
  end if;

  v_txn_no := ledger.put_money(v_account.account_no, v_fund_no, p_amount_micro, p_principal, p_description,
    coalesce(p_effective_at, clock_timestamp()));
  return ledger.remember(p_principal, 'deposit', p_key, p_body_hash, jsonb_build_object('txn_no', v_txn_no));
end;
$$;
