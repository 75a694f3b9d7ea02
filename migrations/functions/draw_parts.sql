-- draw_parts moves an amount from available to held, fund by fund, for a hold, with the entries of the given transaction.
create function ledger.draw_parts(
  p_txn_no bigint, p_hold_no bigint, p_account_no bigint, p_amount_micro bigint, p_at timestamptz
) returns void
language plpgsql volatile
set plan_cache_mode = force_generic_plan
as $$
declare
  v_fund_nos bigint[];
  v_parts bigint[];
begin
  select array_agg(fund_no), array_agg(part_micro) into v_fund_nos, v_parts
  from ledger.parts_to_draw(p_account_no, p_amount_micro, p_at);
  if v_fund_nos is null then return; end if;

  update ledger.funds f
  set held_micro = f.held_micro + drawn.part
  from unnest(v_fund_nos, v_parts) as drawn (fund_no, part)
  where f.fund_no = drawn.fund_no;

  insert into ledger.hold_parts as p (hold_no, fund_no, held_micro)
  select p_hold_no, fund_no, part from unnest(v_fund_nos, v_parts) as drawn (fund_no, part)
  on conflict (hold_no, fund_no) do update set held_micro = p.held_micro + excluded.held_micro;

  insert into ledger.entries (txn_no, line_no, account_no, fund_no, book, amount_micro)
  select p_txn_no, 2 * drawn.place - 2 + line.no, p_account_no, drawn.fund_no, line.book, line.sign * drawn.part
  from unnest(v_fund_nos, v_parts) with ordinality as drawn (fund_no, part, place)
  cross join (values (1, 'a'::"char", -1), (2, 'h'::"char", 1)) as line (no, book, sign);
end;
$$;
