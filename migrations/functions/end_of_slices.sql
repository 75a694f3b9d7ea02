-- end_of_slices is when the last of the slices (see meter_run) ends; null where there are none.
create function ledger.end_of_slices(p_slices jsonb) returns timestamptz
language sql stable
as $$
  select max((slice ->> 'ends_at')::timestamptz) from jsonb_array_elements(p_slices) as slice
$$;
