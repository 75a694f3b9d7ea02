-- mark_stale notes that the days of the staged runs (ledger.run_rows) have to be added up again (see add_up_days).
create function ledger.mark_stale(p_cluster_no int) returns void
language sql volatile
as $$
  insert into ledger.imported_clusters (cluster_no, time_zone, stale_from, stale_until)
  select c.cluster_no, c.time_zone, min(r.started_at), max(r.ended_at)
  from ledger.run_rows r join ledger.clusters c on c.cluster_no = p_cluster_no
  group by c.cluster_no, c.time_zone
  on conflict (cluster_no) do update set
    stale_from = least(imported_clusters.stale_from, excluded.stale_from),
    stale_until = greatest(imported_clusters.stale_until, excluded.stale_until)
$$;
