-- meter_run writes down what a run used that was charged before anybody could say it: its slices, and when it began and ended
-- where the charge does not know. Once: whoever comes later with other slices changes nothing. The caller holds the tree's lock.
--
-- p_slices: [{starts_at, ends_at, nodes, cpus, gpus, memory_mib, active_micros}]
create function ledger.meter_run(p_charge_no bigint, p_started_at timestamptz, p_ended_at timestamptz, p_slices jsonb) returns void
language plpgsql volatile
as $$
begin
  update ledger.charges
  set metered = true, started_at = coalesce(started_at, p_started_at), ended_at = coalesce(ended_at, p_ended_at)
  where charge_no = p_charge_no and not metered;
  if found then perform ledger.write_slices(p_charge_no, p_slices); end if;
end;
$$;
