-- note_accounting writes down that a cluster's accounting was heard: whatever had ended by now was in what it said. Doing it
-- twice is doing it once.
create or replace function ledger.note_accounting(p_cluster_no int) returns void
language sql volatile
as $$
  insert into ledger.scheduler_looks as l (cluster_no, accounted_at) values (p_cluster_no, clock_timestamp())
  on conflict (cluster_no) do update set accounted_at = excluded.accounted_at
$$;
