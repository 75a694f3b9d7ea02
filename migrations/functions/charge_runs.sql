-- charge_runs charges several runs that have no hold, each once (see charge_run), all or none of them. Says how many of them nobody had
-- charged, and what they cost together.
create function ledger.charge_runs(p_requests jsonb) returns table (charged bigint, amount_micro bigint)
language plpgsql volatile
as $$
declare
  v_request jsonb;
  v_answer jsonb;
begin
  charged := 0;
  amount_micro := 0;
  -- All locks at once: one after the other they could be waited for in a circle.
  perform ledger.lock_tree(array(
    select distinct a.account_no from jsonb_array_elements(p_requests) as r (request)
    join ledger.accounts a on a.name = r.request ->> 'account'));
  for v_request in select request from jsonb_array_elements(p_requests) as r (request) loop
    v_answer := ledger.charge_run(v_request);
    if v_answer ->> 'outcome' = 'charged' then
      charged := charged + 1;
      amount_micro := amount_micro + (v_answer ->> 'amount_micro')::bigint;
    end if;
  end loop;
  return next;
end;
$$;
