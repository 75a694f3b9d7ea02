-- note_silence writes down that a scheduler did not answer, or not whole: nothing is given back for what it has not said.
-- p_of_accounting says which part of it; an older Bursar that runs beside this passes it as well.
create or replace function ledger.note_silence(p_cluster_no int, p_failure text, p_of_accounting boolean) returns void
language sql volatile
as $$
  insert into ledger.scheduler_looks as l (cluster_no, failed_at, failure) values (p_cluster_no, clock_timestamp(), p_failure)
  on conflict (cluster_no) do update
  set failed_at = excluded.failed_at, failure = excluded.failure
$$;
