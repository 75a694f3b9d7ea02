-- is_part_of_run says whether an imported run is a part of a charged one of the same job id: the time in which a job that was resized had
-- one of its sizes, of which the accounting has a row each. Two runs of one id never overlap, so the middle of the part decides; the
-- clocks of a hook and of the accounting are a little apart.
create function ledger.is_part_of_run(
  p_charge_started_at timestamptz, p_charge_ended_at timestamptz, p_started_at timestamptz, p_ended_at timestamptz
) returns boolean
language sql immutable parallel safe
as $$
  select coalesce(p_charge_started_at < p_started_at and p_charge_ended_at > p_started_at + (p_ended_at - p_started_at) / 2, false)
$$;
