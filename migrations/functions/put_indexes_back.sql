-- put_indexes_back makes the indexes that put_indexes_aside dropped, in the same transaction.
create function ledger.put_indexes_back(p_put_aside jsonb) returns void
language plpgsql volatile
as $$
declare
  v_each jsonb;
begin
  perform set_config('maintenance_work_mem', '256MB', true);
  perform set_config('max_parallel_maintenance_workers', '0', true); -- They cost more than they save here.
  for v_each in select each from jsonb_array_elements(p_put_aside) with ordinality as a (each, place) order by place loop
    -- An index without one is in that of its database, whatever the role's is.
    perform set_config('default_tablespace', coalesce(v_each ->> 'tablespace', ''), true);
    execute v_each ->> 'make';
  end loop;
end;
$$;
