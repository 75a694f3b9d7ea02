-- settings_of_limit is what people set of a cap, for the trail of changes; null where there is none.
create function ledger.settings_of_limit(p_limit ledger.limits) returns jsonb
language sql immutable
as $$
  select case when p_limit.limit_no is not null then jsonb_strip_nulls(jsonb_build_object(
    'partition', p_limit.partition, 'user', p_limit.user_name, 'limit_micro', p_limit.limit_micro::text,
    'opens_at', p_limit.opens_at, 'closes_at', p_limit.closes_at)) end
$$;
