-- note_accounting_part writes down that a part came of what a cluster's accounting says, and p_fault where something of it
-- could not be read. The last part means that the accounting was heard, if every part of it could be read.
create function ledger.note_accounting_part(p_cluster_no int, p_is_last boolean, p_fault text) returns void
language sql volatile
as $$
  insert into ledger.scheduler_looks as l (cluster_no) values (p_cluster_no) on conflict do nothing;

  update ledger.scheduler_looks l
  set accounted_at = case when p_is_last and p_fault is null and not l.part_unread then clock_timestamp() else l.accounted_at end,
      part_unread = not p_is_last and (l.part_unread or p_fault is not null),
      failed_at = case when p_fault is null then l.failed_at else clock_timestamp() end,
      failure = coalesce(p_fault, l.failure)
  where l.cluster_no = p_cluster_no
$$;
