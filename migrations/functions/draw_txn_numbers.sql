-- draw_txn_numbers draws as many numbers of transactions as are wanted at once, and says them as stretches, in their order: others
-- may draw meanwhile. Like next_txn_no, never without an xid.
create function ledger.draw_txn_numbers(p_count bigint) returns table (first_no bigint, how_many bigint)
language plpgsql volatile
as $$
begin
  perform pg_current_xact_id();
  return query
  select min(no), count(*)
  from (
    select no, no - row_number() over (order by no) as stretch
    from (select nextval('ledger.txn_numbers') as no from generate_series(1, p_count)) drawn) numbered
  group by stretch
  order by min(no);
end;
$$;
