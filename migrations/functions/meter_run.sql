-- meter_run writes down what a run used that was charged before anybody could say it. Once: whoever comes later with other
-- slices changes nothing. The caller holds the tree's lock.
--
-- p_slices: [{starts_at, ends_at, nodes, cpus, gpus, memory_mib, active_micros}]
create function ledger.meter_run(p_charge_no bigint, p_slices jsonb) returns void
language plpgsql volatile
as $$
begin
  update ledger.charges set metered_until = ledger.end_of_slices(p_slices)
  where charge_no = p_charge_no and metered_until is null;
  if found then perform ledger.write_slices(p_charge_no, p_slices); end if;
end;
$$;
