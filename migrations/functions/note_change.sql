-- note_change writes down who set what: an account, a limit, a cluster, a partition, a rate, a key. Money that moves is not
-- noted here: its transaction says who moved it. What changes nothing leaves no trace.
create function ledger.note_change(
  p_subject text, p_name text, p_cluster_no int, p_action text, p_actor text, p_before jsonb, p_after jsonb
) returns void
language sql volatile
as $$
  insert into ledger.changes (subject, name, cluster_no, action, actor, before, after)
  select p_subject, p_name, p_cluster_no, p_action, p_actor, p_before, p_after where p_before is distinct from p_after
$$;
