-- share_between is what of an amount was used between two moments, where it was used evenly over a time: differences of the
-- cumulative amount rounded half-even, so that the shares of all moments sum to it. All of it where that time lies between
-- them, as nearly every one does.
create function ledger.share_between(
  p_amount bigint, p_starts_at timestamptz, p_ends_at timestamptz, p_from timestamptz, p_to timestamptz
) returns bigint
language sql immutable parallel safe
as $$
  select case
    when p_starts_at >= p_from and p_ends_at <= p_to then p_amount
    else ledger.share_until(p_amount, p_starts_at, p_ends_at, p_to) - ledger.share_until(p_amount, p_starts_at, p_ends_at, p_from) end
$$;
