-- note_accounting writes down that a cluster's accounting was heard. After a silence the grace of what nobody has heard of
-- begins anew. Doing it twice is doing it once.
create or replace function ledger.note_accounting(p_cluster_no int) returns void
language plpgsql volatile
as $$
declare
  -- As in note_listing.
  c_silence constant interval := '10 minutes';
  v_now timestamptz := clock_timestamp();
begin
  insert into ledger.scheduler_looks as l (cluster_no, accounted_at, accounted_since) values (p_cluster_no, v_now, v_now)
  on conflict (cluster_no) do update
  set accounted_at = v_now,
      accounted_since = case when l.accounted_at > v_now - c_silence then coalesce(l.accounted_since, v_now) else v_now end;
end;
$$;
