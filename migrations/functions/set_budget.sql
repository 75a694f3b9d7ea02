-- set_budget makes an account's granted money what p_limit_micro says, by a deposit into its base fund or a withdrawal from
-- it (rulings 6). The caller holds the tree's lock.
create function ledger.set_budget(p_account_no bigint, p_limit_micro bigint, p_actor text) returns void
language plpgsql volatile
as $$
declare
  v_account ledger.accounts;
  v_fund ledger.funds;
  v_money record;
  v_delta bigint;
  v_free bigint;
begin
  select * into strict v_account from ledger.accounts where account_no = p_account_no;
  select * into strict v_fund from ledger.funds where account_no = p_account_no and source = 'base';
  select * into strict v_money from ledger.money_of(p_account_no, clock_timestamp());
  v_delta := p_limit_micro - v_money.granted_micro;
  if v_delta = 0 then return; end if;

  if p_limit_micro < v_money.settled_micro + v_money.held_micro then
    perform ledger.fail('limit_below_use',
      format('The limit cannot be %s: %s is settled and %s is held.', ledger.decimal_of(p_limit_micro),
        ledger.decimal_of(v_money.settled_micro), ledger.decimal_of(v_money.held_micro)),
      jsonb_build_object('account', v_account.name, 'requested', ledger.decimal_of(p_limit_micro),
        'settled', ledger.decimal_of(v_money.settled_micro), 'held', ledger.decimal_of(v_money.held_micro)));
  elsif v_delta > 0 then
    perform ledger.put_money(p_account_no, v_fund.fund_no, v_delta, p_actor, 'Budget limit raised', clock_timestamp());
  else
    select coalesce(sum(free_micro), 0) into v_free
    from ledger.free_money(p_account_no, clock_timestamp()) where fund_no = v_fund.fund_no;
    if v_free < -v_delta then
      perform ledger.fail('limit_below_use',
        format('The limit cannot be %s: only %s of the base fund is free; withdraw the rest from the other funds.',
          ledger.decimal_of(p_limit_micro), ledger.decimal_of(v_free)),
        jsonb_build_object('account', v_account.name, 'requested', ledger.decimal_of(p_limit_micro),
          'settled', ledger.decimal_of(v_money.settled_micro), 'held', ledger.decimal_of(v_money.held_micro),
          'free_in_base_fund', ledger.decimal_of(v_free)));
    end if;
    perform ledger.take_money(v_account, v_fund.fund_no, -v_delta, p_actor, 'Budget limit lowered');
  end if;
end;
$$;
