-- job_lock: the advisory lock under which what is told of a job is recorded; a task of an array has that of its array.
create function ledger.job_lock(p_cluster_no int, p_job_id text) returns bigint
language sql immutable parallel safe
as $$
  select hashtextextended(p_cluster_no::text || '/' || split_part(p_job_id, '_', 1), 0)
$$;
