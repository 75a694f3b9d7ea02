-- share_until is what of an amount was used by a moment, where it was used evenly over a time: rounded half-even.
create function ledger.share_until(p_amount bigint, p_starts_at timestamptz, p_ends_at timestamptz, p_at timestamptz) returns bigint
language sql immutable parallel safe
as $$
  select case
    when p_at <= p_starts_at then 0
    when p_at >= p_ends_at then p_amount
    else sign(p_amount)::int * ledger.divide_half_even(
      abs(p_amount) * extract(epoch from p_at - p_starts_at), extract(epoch from p_ends_at - p_starts_at)) end
$$;
