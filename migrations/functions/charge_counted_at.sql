-- charge_counted_at is the moment by which caps with a window count a charge (see limit_use): its hold's, else its start.
create function ledger.charge_counted_at(p_charge ledger.charges) returns timestamptz
language sql stable
as $$
  select coalesce((select effective_at from ledger.holds where hold_no = p_charge.hold_no), p_charge.started_at,
    (select effective_at from ledger.transactions where txn_no = p_charge.charge_no))
$$;
