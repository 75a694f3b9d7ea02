-- epoch_micros writes a time as the number of microseconds since 1970, which JSON carries exactly.
create or replace function ledger.epoch_micros(p_at timestamptz) returns bigint
language sql immutable parallel safe
as $$ select (extract(epoch from p_at) * 1000000)::bigint $$;
