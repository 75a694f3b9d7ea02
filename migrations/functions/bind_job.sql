-- bind_job finds the job that an event is about, or makes it, and binds it to the event's hold if it has none.
--
-- Job ids recycle, even within seconds, so a job is (cluster, id, submit time). Where an event does not say when its job
-- was submitted, its hold decides, then its time: the newest job of that id that had been submitted, or heard of, by then.
-- Two clocks may put an event before the submit time of its job; it is that job's, unless one before it may have been going
-- on. A requeue gives the same job a new submit time; the hold stamped on it, or the requeue just before, says that it is the
-- same work. A start after the last job of that id is over is that of a job whose submit time will be known (and where the
-- last is not known to be over, see events_of_job).
--
-- The first binding wins, except over a hold that was opened late for want of a better one and has paid for nothing.
-- The caller holds the advisory lock of (cluster, job id), so nobody else makes or binds this job meanwhile.
create or replace function ledger.bind_job(
  p_cluster_no int, p_job_id text, p_task text, p_submitted_at timestamptz, p_type text, p_started_at timestamptz,
  p_at timestamptz, p_hold_no bigint
) returns ledger.jobs
language plpgsql volatile
as $$
declare
  -- Two clocks tell of the same moment up to this far apart, as in domain/runs.ts.
  c_clocks_apart constant interval := '60 seconds';
  v_job ledger.jobs;
  v_later ledger.jobs;
  v_hold_no bigint := p_hold_no;
  v_submitted_at timestamptz := p_submitted_at;
begin
  if p_submitted_at is not null then
    select * into v_job from ledger.jobs
    where cluster_no = p_cluster_no and job_id = p_job_id and submitted_at = p_submitted_at;

    if not found then
      -- A job that was first heard of without its submit time, unless it is another hold's or had ended before this one began.
      update ledger.jobs j set submitted_at = p_submitted_at
      where cluster_no = p_cluster_no and job_id = p_job_id and submitted_at is null
        and (p_hold_no is null or j.hold_no = p_hold_no or ledger.may_be_bound(j.hold_no))
        and not exists (
          select from ledger.job_events e
          where e.job_no = j.job_no and e.type in ('ended', 'cancelled') and e.at < p_submitted_at)
      returning * into v_job;
    end if;

    if v_job.job_no is null and p_hold_no is null then
      -- The scheduler stamps a requeued job with the time of the requeue.
      select j.hold_no into v_hold_no
      from ledger.jobs j
      join lateral (
        select e.type, e.at from ledger.job_events e
        where e.job_no = j.job_no and e.type not in ('cost', 'resized')
        order by e.at desc, e.event_no desc limit 1) last on last.type = 'requeued'
      where j.cluster_no = p_cluster_no and j.job_id = p_job_id and j.hold_no is not null
        and p_submitted_at between last.at - interval '2 seconds' and last.at + interval '10 seconds'
      order by j.submitted_at desc nulls last
      limit 1;
    end if;
  elsif p_hold_no is not null then
    select * into v_job from ledger.jobs j
    where j.cluster_no = p_cluster_no and j.job_id = p_job_id
      and (j.hold_no = p_hold_no or (
        (j.submitted_at is null or j.submitted_at <= p_at) and ledger.may_be_bound(j.hold_no)))
    order by (j.hold_no = p_hold_no) desc nulls last, j.submitted_at desc nulls last
    limit 1;
  else
    select j.* into v_job
    from ledger.jobs j
    where j.cluster_no = p_cluster_no and j.job_id = p_job_id and (j.submitted_at is null or j.submitted_at <= p_at)
    order by
      -- The run that the event names, then the latest job that had been submitted by the time of the event.
      (p_started_at is not null and (j.submitted_at is null or j.submitted_at <= p_started_at)) desc,
      coalesce(j.submitted_at, (select min(e.at) from ledger.job_events e where e.job_no = j.job_no)) desc nulls last
    limit 1;
    -- There is room for one that is waited for in this way.
    if p_type = 'started' and ledger.is_over_at(v_job, p_task, p_at) and not exists (
      select from ledger.jobs where cluster_no = p_cluster_no and job_id = p_job_id and submitted_at is null)
    then
      v_job := null;
    end if;
  end if;

  -- What a job costs is said after its end: such an event is never early.
  if p_submitted_at is null and p_type <> 'cost' and (p_hold_no is null or v_job.hold_no is distinct from p_hold_no) then
    select j.* into v_later
    from ledger.jobs j
    where j.cluster_no = p_cluster_no and j.job_id = p_job_id
      and j.submitted_at > coalesce(p_started_at, p_at)
      and j.submitted_at <= coalesce(p_started_at, p_at) + c_clocks_apart
      and (p_hold_no is null or ledger.may_be_bound(j.hold_no))
      and (v_job.job_no is null or v_job.job_no = j.job_no or (
        exists (
          -- A second record of an end may come a little after the first.
          select from ledger.job_events e
          where e.job_no = v_job.job_no and e.type in ('ended', 'cancelled')
            and e.at < coalesce(p_started_at, p_at - case
              when p_type in ('started', 'suspended', 'resumed', 'resized') then interval '0'
              else c_clocks_apart end))
        and not exists (
          select from ledger.job_events e where e.job_no = v_job.job_no and e.type = p_type and e.at = p_at)))
    order by j.submitted_at desc
    limit 1;
    if found then
      v_job := v_later;
    end if;
  end if;

  if v_job.job_no is null and p_submitted_at is null and p_hold_no is not null and exists (
    select from ledger.jobs where cluster_no = p_cluster_no and job_id = p_job_id and submitted_at is null)
  then
    -- The id is taken by a job whose submit time nobody knows either: the hold's own time tells the two apart.
    select h.effective_at into v_submitted_at from ledger.holds h where h.hold_no = p_hold_no;
    select * into v_job from ledger.jobs
    where cluster_no = p_cluster_no and job_id = p_job_id and submitted_at = v_submitted_at;
  end if;

  if v_job.job_no is null then
    insert into ledger.jobs (cluster_no, job_id, submitted_at, hold_no)
    values (p_cluster_no, p_job_id, v_submitted_at, v_hold_no)
    returning * into v_job;
  elsif v_hold_no is not null and v_job.hold_no is distinct from v_hold_no and ledger.may_be_bound(v_job.hold_no) then
    if v_job.hold_no is not null then
      insert into ledger.outbox (hold_no, kind) values (v_job.hold_no, 'ring') on conflict do nothing;
    end if;
    update ledger.jobs set hold_no = v_hold_no where job_no = v_job.job_no returning * into v_job;
  end if;
  return v_job;
end;
$$;
