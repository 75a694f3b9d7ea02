-- is_over_at: had a job, or a task of it, ended for good by then, as far as it was told?
create function ledger.is_over_at(p_job ledger.jobs, p_task text, p_at timestamptz) returns boolean
language sql stable
as $$
  select coalesce((
    select e.type in ('ended', 'cancelled') from ledger.job_events e
    where e.job_no = p_job.job_no and e.task = p_task and e.at < p_at and e.type not in ('cost', 'resized')
    order by e.at desc, e.event_no desc limit 1), false)
$$;
