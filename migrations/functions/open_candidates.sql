-- open_candidates: the open holds that a report without a hold's id may be about. Those of its account, partition and user
-- that no job is bound to and whose check named no job, placed within ten seconds of its submit time. Where nobody knows
-- that time, those placed before p_not_after, and none where that is null too.
--
-- A spare is none of them: whose it is only its stamp can tell.
--
-- Slurm's submit plugin of ASBB says "default" where a job names no partition. `shape` is what is asked for and held: any
-- of several candidates of one shape will do.
create function ledger.open_candidates(
  p_cluster_no int, p_account text, p_partition text, p_user text, p_submitted_at timestamptz, p_not_after timestamptz
) returns table (hold_no bigint, hold_id text, shape jsonb)
language sql stable
as $$
  select h.hold_no, h.hold_id,
    jsonb_build_array(d.request -> 'components', h.placed_micro::text, h.held_micro::text)
  from ledger.accounts a
  join ledger.holds h on h.account_no = a.account_no
  join ledger.decisions d on d.decision_no = h.hold_no
  where a.name = p_account and h.cluster_no = p_cluster_no and h.status = 'open' and not h.late and h.use_by is null
    and (p_partition is null or h.partition in (p_partition, 'default', ''))
    and (p_user is null or h.user_name is null or h.user_name = p_user)
    and d.request ->> 'jobId' is null
    and not exists (select from ledger.jobs j where j.hold_no = h.hold_no)
    and case
      when p_submitted_at is not null
        then h.effective_at between p_submitted_at - interval '10 seconds' and p_submitted_at + interval '10 seconds'
      else h.effective_at <= p_not_after + interval '10 seconds' end
  order by h.hold_no
$$;
