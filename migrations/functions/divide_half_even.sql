-- divide_half_even is domain/money.ts's divideHalfEven, for amounts and durations (neither is negative).
create function ledger.divide_half_even(p_numerator numeric, p_denominator numeric) returns bigint
language sql immutable parallel safe
as $$
  select (quotient + case
    when 2 * rest > p_denominator or (2 * rest = p_denominator and mod(quotient, 2) = 1) then 1 else 0 end)::bigint
  from (select div(p_numerator, p_denominator) as quotient, mod(p_numerator, p_denominator) as rest) as division
$$;
