-- refused_submissions: submissions and changes of jobs that were denied (p_mode 'enforce'), or would have been, had their
-- cluster enforced what was decided ('shadow'): for money, windows and prices, and those that could not be asked about; among
-- the enforced also what a hook refused alone. With the job that came of each, where one was heard of, and what its runs would
-- have cost so far. Nulls in the filters stand for everything.
create function ledger.refused_submissions(
  p_mode text, p_cluster text, p_account text, p_user text, p_code text, p_from timestamptz, p_to timestamptz
) returns table (
  no bigint, at timestamptz, cluster text, time_zone text, account text, user_name text, partition text, job_name text,
  code text, reason text, unit text, estimated_micro bigint, held_micro bigint, request jsonb, answer jsonb,
  effective_at timestamptz, job_id text, state text, would_have_cost text
)
language sql stable
as $$
  with denied as (
    select d.decision_no as no, d.decided_at as at, c.cluster_no, c.name as cluster, c.time_zone, d.key,
      d.request ->> 'account' as account, d.request ->> 'user' as user_name, d.request #>> '{components,0,partition}' as partition,
      d.request ->> 'jobName' as job_name, d.code, null::text as reason, d.request ->> 'unit' as unit,
      (d.request ->> 'estimated')::bigint as estimated_micro,
      (select sum(amount::bigint)::bigint from jsonb_array_elements_text(d.request -> 'amounts') amount) as held_micro,
      d.request, d.answer, d.effective_at, d.request ->> 'jobId' as job_id
    from ledger.decisions d join ledger.clusters c on c.name = d.request ->> 'cluster'
    where d.code <> 'placed' and d.request ->> 'mode' = p_mode
      and (p_from is null or d.decided_at >= p_from) and (p_to is null or d.decided_at < p_to)
    union all
    select s.submission_no, s.at, c.cluster_no, c.name, c.time_zone, s.key, s.account_name, s.user_name, s.partition, s.job_name,
      s.code, s.reason, a.unit, s.cost_micro, coalesce(s.held_micro, s.cost_micro), null, null, null, s.job_id
    from ledger.submissions s join ledger.clusters c using (cluster_no) left join ledger.accounts a on a.name = s.account_name
    where case when s.admitted = 'shadow' then 'shadow' when s.admitted in ('denied', 'closed') then 'enforce' end = p_mode
      and (p_from is null or s.at >= p_from) and (p_to is null or s.at < p_to)
  )
  select d.no, d.at, d.cluster, d.time_zone, d.account, d.user_name, d.partition, d.job_name, d.code, d.reason, d.unit,
    d.estimated_micro, d.held_micro, d.request, d.answer, d.effective_at, coalesce(j.job_id, d.job_id), j.state,
    (select sum((ch.usage ->> 'wouldHaveCost')::numeric)::text from ledger.charges ch where ch.hold_no = j.hold_no)
  from denied d
  left join lateral (
    select job_id, state, hold_no from ledger.jobs where cluster_no = d.cluster_no and stamp = d.key
    order by job_no desc limit 1) j on true
  where (p_cluster is null or d.cluster = p_cluster) and (p_account is null or d.account = p_account)
    and (p_user is null or d.user_name = p_user) and (p_code is null or d.code = p_code)
$$;
