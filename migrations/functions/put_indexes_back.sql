-- put_indexes_back makes the indexes that put_indexes_aside dropped, in the same transaction.
create function ledger.put_indexes_back(p_put_aside jsonb) returns void
language plpgsql volatile
as $$
declare
  v_make text;
begin
  perform set_config('maintenance_work_mem', '256MB', true);
  perform set_config('max_parallel_maintenance_workers', '0', true); -- They cost more than they save here.
  for v_make in select each ->> 'make' from jsonb_array_elements(p_put_aside) with ordinality as a (each, place) order by place loop
    execute v_make;
  end loop;
end;
$$;
