-- transfer moves free money to another account of the same unit, as one transaction: both have it, or neither moved.
--
-- The money keeps its window, fund by fund, unless one is given; in the receiving account it joins the transferred money of
-- the same window. Which money goes is as in withdraw: soonest-to-expire last. Idempotent by the caller's key; transfers in
-- opposite directions take their locks in one order and never wait in a circle.
create function ledger.transfer(
  p_from text, p_to text, p_amount_micro bigint, p_unit text, p_opens_at timestamptz, p_closes_at timestamptz,
  p_description text, p_principal text, p_key text, p_body_hash bytea
) returns jsonb
language plpgsql volatile
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_from ledger.accounts;
  v_to ledger.accounts;
  v_answer jsonb;
  v_part record;
  v_fund_no bigint;
  v_txn_no bigint;
  v_line_no int := 0;
begin
  perform ledger.lock_tree(array(select account_no from ledger.accounts where name in (p_from, p_to)));
  select * into v_from from ledger.accounts where name = p_from;
  select * into v_to from ledger.accounts where name = p_to;
  if v_from.account_no is null or v_to.account_no is null then
    perform ledger.fail('account_not_found', format('There is no account "%s".', case when v_from.account_no is null then p_from else p_to end),
      jsonb_build_object('account', case when v_from.account_no is null then p_from else p_to end));
  end if;
  v_answer := ledger.replayed(p_principal, 'transfer', p_key, p_body_hash);
  if v_answer is not null then return v_answer; end if;
  perform ledger.must_take_money(v_from, p_unit);
  perform ledger.must_take_money(v_to, v_from.unit);
  if p_amount_micro <= 0 then perform ledger.fail('malformed_request', 'A transfer is more than zero.', jsonb_build_object('pointer', '/amount')); end if;
  if v_from.account_no = v_to.account_no then perform ledger.fail('malformed_request', 'A transfer goes to another account.', jsonb_build_object('pointer', '/to')); end if;
  if p_opens_at >= p_closes_at then perform ledger.fail('malformed_request', 'The window of a transfer ends after it starts.', jsonb_build_object('pointer', '/closes_at')); end if;

  v_txn_no := ledger.write_transaction('transfer', v_from.account_no, p_amount_micro, p_principal, p_description, v_now,
    null, null, v_to.account_no);
  for v_part in select * from ledger.plan_taking(v_from, null, p_amount_micro, v_now) loop
    if coalesce(p_opens_at, v_part.opens_at) >= coalesce(p_closes_at, v_part.closes_at) then
      perform ledger.fail('malformed_request', 'The window of a transfer ends after it starts; give both its ends.',
        jsonb_build_object('pointer', case when p_closes_at is null then '/opens_at' else '/closes_at' end));
    end if;
    select fund_no into v_fund_no from ledger.funds
    where account_no = v_to.account_no and source = 'transfer'
      and opens_at = coalesce(p_opens_at, v_part.opens_at) and closes_at = coalesce(p_closes_at, v_part.closes_at)
    order by fund_no limit 1;
    if not found then
      insert into ledger.funds (fund_id, account_no, source, label, opens_at, closes_at)
      values (ledger.new_id('fund'), v_to.account_no, 'transfer', format('From %s', v_from.name),
        coalesce(p_opens_at, v_part.opens_at), coalesce(p_closes_at, v_part.closes_at))
      returning fund_no into v_fund_no;
    end if;
    insert into ledger.entries (txn_no, line_no, account_no, fund_no, book, amount_micro) values
      (v_txn_no, v_line_no + 1, v_from.account_no, v_part.fund_no, 'a', -v_part.part_micro),
      (v_txn_no, v_line_no + 2, v_to.account_no, v_fund_no, 'a', v_part.part_micro);
    v_line_no := v_line_no + 2;
    update ledger.funds set granted_micro = granted_micro - v_part.part_micro where fund_no = v_part.fund_no;
    update ledger.funds set granted_micro = granted_micro + v_part.part_micro where fund_no = v_fund_no;
  end loop;
  perform ledger.move_totals(v_from.account_no, -p_amount_micro, 0, 0);
  perform ledger.move_totals(v_to.account_no, p_amount_micro, 0, 0);
  perform ledger.flag_overspending(v_to.account_no);
  return ledger.remember(p_principal, 'transfer', p_key, p_body_hash, jsonb_build_object('txn_no', v_txn_no));
end;
$$;
