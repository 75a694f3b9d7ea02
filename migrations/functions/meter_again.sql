-- meter_again writes down what a run used of which more is known than when it was charged: its end, that was only guessed, or the
-- sizes that it had. The slices of then stay as they are and do not count any more: charges.first_slice says from which one on they
-- do. The same slices again change nothing. The caller holds the tree's lock.
--
-- p_slices: as meter_run has them.
create function ledger.meter_again(p_charge_no bigint, p_slices jsonb, p_ended_at timestamptz) returns void
language plpgsql volatile
as $$
declare
  v_metered_until constant timestamptz := coalesce(ledger.end_of_slices(p_slices), p_ended_at);
begin
  update ledger.charges c set metered_until = v_metered_until,
    first_slice = 1 + coalesce((select max(u.slice_no) from ledger.usage_slices u where u.charge_no = p_charge_no), 0)
  where c.charge_no = p_charge_no and (
    c.metered_until is distinct from v_metered_until
    or exists (
      select starts_at, ends_at, nodes, cpus, gpus, memory_mib, active_micros
      from jsonb_to_recordset(p_slices) as s (
        starts_at timestamptz, ends_at timestamptz, nodes numeric, cpus numeric, gpus numeric, memory_mib numeric, active_micros bigint)
      except
      select u.starts_at, u.ends_at, u.nodes, u.cpus, u.gpus, u.memory_mib, u.active_micros
      from ledger.usage_slices u where u.charge_no = p_charge_no and u.slice_no >= c.first_slice));
  if found then perform ledger.write_slices(p_charge_no, p_slices); end if;
end;
$$;
