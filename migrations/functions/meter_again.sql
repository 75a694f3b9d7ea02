-- meter_again writes down what a run used whose end was only guessed when it was charged. The slices of then stay as they are
-- and do not count any more: charges.first_slice says from which one on they do. The same end again changes nothing. The
-- caller holds the tree's lock.
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
  where c.charge_no = p_charge_no and c.metered_until is distinct from v_metered_until;
  if found then perform ledger.write_slices(p_charge_no, p_slices); end if;
end;
$$;
