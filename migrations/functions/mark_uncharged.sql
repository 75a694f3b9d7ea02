-- mark_uncharged lets the runs of a stamped job cost nothing, where its submission is one of those (why_uncharged) and was
-- told of after the job. Only a late hold that has not paid for anything: what was charged stays charged.
create function ledger.mark_uncharged(p_cluster_no int, p_key text) returns void
language sql volatile
as $$
  update ledger.holds h set uncharged = why.uncharged
  from ledger.jobs j cross join (select ledger.why_uncharged(p_cluster_no, p_key) as uncharged) why
  where j.cluster_no = p_cluster_no and j.stamp = p_key and h.hold_no = j.hold_no and h.late and h.uncharged is null
    and why.uncharged is not null and not exists (select from ledger.charges c where c.hold_no = h.hold_no)
$$;
