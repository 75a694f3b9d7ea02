-- is_same_run says whether a charge is about a run that was imported, both of the same job id. The key of the charge (see
-- charge_run) tells exactly; but a hook's clock is a little off the accounting's, and of a reported cost nobody may know the start.
-- Then the submission decides, or, where that is unknown too, whether the cost came while the job was there or in the month after.
create function ledger.is_same_run(
  p_run_key text, p_charge_started_at timestamptz, p_effective_at timestamptz,
  p_submitted_at timestamptz, p_started_at timestamptz, p_ended_at timestamptz
) returns boolean
language sql immutable parallel safe
as $$
  select case
    when p_charge_started_at is not null
      then p_charge_started_at between p_started_at - interval '60 seconds' and p_started_at + interval '60 seconds'
    when substring(p_run_key from '/(\d+)/[^/]*$') is not null
      then substring(p_run_key from '/(\d+)/[^/]*$') = floor(extract(epoch from p_submitted_at))::text
    else p_effective_at between p_submitted_at and p_ended_at + interval '30 days' end
$$;
