-- events_of_job is what was said of a job. Ids recycle, and who knows a job by its id alone (a prolog) may speak of one that nobody
-- else has told of yet: such an event was kept with the last job of that id, and is the new one's from when that is known. Not so
-- a cost: it is said after the end, whatever the id means by then. Jobs of one hold are the same work, and keep what they have.
create function ledger.events_of_job(p_job ledger.jobs) returns setof ledger.job_events
language plpgsql stable rows 5
set plan_cache_mode = force_generic_plan
as $$
declare
  v_next_at timestamptz;   -- of the id
  v_others_at timestamptz; -- of other work
begin
  select min(j.submitted_at), min(j.submitted_at) filter (where j.hold_no is distinct from p_job.hold_no)
  into v_next_at, v_others_at
  from ledger.jobs j
  where j.cluster_no = p_job.cluster_no and j.job_id = p_job.job_id and j.submitted_at > p_job.submitted_at;

  return query
  select e.* from ledger.job_events e
  where e.job_no = p_job.job_no and (ledger.doubtful_at(e) < v_others_at) is not false;

  return query
  select e.* from ledger.jobs j join ledger.job_events e on e.job_no = j.job_no
  where j.cluster_no = p_job.cluster_no and j.job_id = p_job.job_id and j.submitted_at < p_job.submitted_at
    and j.hold_no is distinct from p_job.hold_no
    and ledger.doubtful_at(e) >= p_job.submitted_at and (ledger.doubtful_at(e) < v_next_at) is not false;
end;
$$;
