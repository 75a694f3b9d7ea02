-- write_slices writes down what a charged run used; see meter_run and meter_again. They follow those that it has.
create function ledger.write_slices(p_charge_no bigint, p_slices jsonb) returns void
language sql volatile
as $$
  insert into ledger.usage_slices (charge_no, slice_no, starts_at, ends_at, nodes, cpus, gpus, memory_mib, active_micros)
  select p_charge_no,
    g.place + coalesce((select max(u.slice_no) from ledger.usage_slices u where u.charge_no = p_charge_no), 0), (g.slice ->> 'starts_at')::timestamptz, (g.slice ->> 'ends_at')::timestamptz,
    (g.slice ->> 'nodes')::numeric, (g.slice ->> 'cpus')::numeric, (g.slice ->> 'gpus')::numeric,
    (g.slice ->> 'memory_mib')::numeric, (g.slice ->> 'active_micros')::bigint
  from jsonb_array_elements(p_slices) with ordinality as g (slice, place)
$$;
