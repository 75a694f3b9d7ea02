-- forget_outbox removes what Temporal was told, and notes that it was. An item that is gone already is passed over.
create function ledger.forget_outbox(p_outbox_nos bigint[]) returns void
language plpgsql volatile
set plan_cache_mode = force_generic_plan
as $$
begin
  with told as (
    delete from ledger.outbox where outbox_no = any (p_outbox_nos) returning hold_no, generation
  )
  update ledger.stories s
  set told_at = clock_timestamp(), generation = greatest(s.generation, told.generation)
  from (select hold_no, max(generation) as generation from told group by hold_no) told
  where s.hold_no = told.hold_no;
end;
$$;
