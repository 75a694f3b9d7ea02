-- judge_item answers an item of place_holds without writing anything or waiting for anybody: an estimate. What it says was
-- true at its moment and binds nobody.
create function ledger.judge_item(p_item jsonb, out outcome text, out answer jsonb, out effective_at timestamptz)
language plpgsql stable
as $$
declare
  v_account ledger.accounts;
begin
  select * into v_account from ledger.accounts where name = p_item ->> 'account';
  if not found then
    outcome := 'account_not_found';
  elsif ledger.is_stale(v_account, p_item, (select version from ledger.catalog_version)) then
    outcome := 'stale';
  else
    outcome := 'decided';
    effective_at := coalesce((p_item ->> 'at')::timestamptz, clock_timestamp());
    answer := ledger.judge_hold(
      v_account.account_no, effective_at, effective_at, p_item ->> 'user',
      array(select jsonb_array_elements_text(p_item -> 'partitions')),
      array(select jsonb_array_elements_text(p_item -> 'amounts')::bigint),
      nullif(p_item -> 'pre_refusal', 'null'));
  end if;
end;
$$;
