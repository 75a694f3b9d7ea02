-- note_silence writes down that a scheduler did not answer, or not whole: nothing is given back for what it has not said, and
-- where it was the accounting that failed, the grace begins anew with the next answer.
create or replace function ledger.note_silence(p_cluster_no int, p_failure text, p_of_accounting boolean) returns void
language sql volatile
as $$
  insert into ledger.scheduler_looks as l (cluster_no, failed_at, failure) values (p_cluster_no, clock_timestamp(), p_failure)
  on conflict (cluster_no) do update
  set failed_at = excluded.failed_at, failure = excluded.failure,
      accounted_since = case when not p_of_accounting then l.accounted_since end
$$;
