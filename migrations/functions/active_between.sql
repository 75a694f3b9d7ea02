-- active_between is share_between for the time of a slice: where none of it was suspended, its share is the time itself, and
-- no numeric has to be divided for it.
--
-- The doubles are exact: a second with six decimals loses less than half a microsecond below 70 years, and no run is as long.
create function ledger.active_between(
  p_active bigint, p_starts_at timestamptz, p_ends_at timestamptz, p_from timestamptz, p_to timestamptz
) returns bigint
language sql immutable parallel safe
as $$
  select case
    when p_starts_at >= p_from and p_ends_at <= p_to then p_active
    when p_active = round(date_part('epoch', p_ends_at - p_starts_at) * 1000000)
      then round(date_part('epoch', least(p_ends_at, p_to) - greatest(p_starts_at, p_from)) * 1000000)::bigint
    else ledger.share_until(p_active, p_starts_at, p_ends_at, p_to) - ledger.share_until(p_active, p_starts_at, p_ends_at, p_from) end
$$;
