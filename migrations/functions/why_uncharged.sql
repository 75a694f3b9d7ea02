-- why_uncharged: a submission that holds nothing is followed like any other; does it cost anything? 'exempt' where the site
-- lets its jobs run for nothing, 'shadow' where it was only watched and would have been denied; null: it is charged, as a job
-- that a hook let in while the service was away.
create function ledger.why_uncharged(p_cluster_no int, p_key text) returns text
language sql stable
as $$
  select coalesce(
    (select s.admitted from ledger.submissions s
     where s.cluster_no = p_cluster_no and s.key = p_key and s.admitted in ('exempt', 'shadow')),
    (select 'shadow' from ledger.decisions d
     where d.key = p_key and d.code <> 'placed' and d.request ->> 'mode' = 'shadow'
       and d.request ->> 'cluster' = (select c.name from ledger.clusters c where c.cluster_no = p_cluster_no)
     limit 1))
$$;
