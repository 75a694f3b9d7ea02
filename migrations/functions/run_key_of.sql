-- run_key_of is the key that the charge of a run is unique by: <cluster>/<job id>/<submit>/<start>, in whole seconds since 1970.
create function ledger.run_key_of(p_cluster text, p_job_id text, p_submitted_at timestamptz, p_started_at timestamptz) returns text
language sql immutable parallel safe
as $$
  select p_cluster || '/' || p_job_id || '/' || floor(extract(epoch from p_submitted_at))::bigint || '/' || floor(extract(epoch from p_started_at))::bigint
$$;
