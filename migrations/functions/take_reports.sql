-- take_reports gives a job that has a hold what was reported of it while it had none: the events of each report become the
-- job's, and the report is closed. Returns whether there was any.
--
-- Ids recycle: a report is not that of a job which was submitted after the report had arrived, nor of another account's.
-- The caller holds the advisory lock of (cluster, job id), under which reports are also put here: none is missed, and the
-- update lets each be taken once.
create function ledger.take_reports(p_job ledger.jobs, p_hold_no bigint) returns boolean
language plpgsql volatile
as $$
declare
  -- Two clocks tell of the same moment up to this far apart, as in domain/runs.ts.
  c_clocks_apart constant interval := '60 seconds';
  v_nos bigint[];
begin
  with taken as (
    update ledger.unmatched u
    set status = 'applied', hold_no = p_hold_no, closed_by = 'bursar', closed_at = clock_timestamp()
    from ledger.holds h join ledger.accounts a using (account_no)
    where h.hold_no = p_hold_no
      and u.cluster_no = p_job.cluster_no and u.job_id = p_job.job_id and u.status = 'waiting'
      and (u.account_name is null or u.account_name = a.name)
      and coalesce(p_job.submitted_at, h.effective_at) <= u.received_at + c_clocks_apart
      and (u.submitted_at is null or p_job.submitted_at is null
        or u.submitted_at between p_job.submitted_at - c_clocks_apart and p_job.submitted_at + c_clocks_apart)
    returning u.unmatched_no)
  select array_agg(unmatched_no order by unmatched_no) into v_nos from taken;
  if v_nos is null then return false; end if;

  -- In the order in which they were received: of two costs the first counts.
  insert into ledger.job_events (job_no, type, task, at, facts, fingerprint)
  select p_job.job_no, e.type, e.task, e.at, e.facts, decode(e.fingerprint, 'hex')
  from unnest(v_nos) with ordinality as t (unmatched_no, place)
  join ledger.unmatched u using (unmatched_no)
  cross join lateral jsonb_array_elements(u.events) as told (event)
  cross join lateral jsonb_to_record(ledger.with_allocated(told.event, p_hold_no)) as e (
    i int, type text, task text, at timestamptz, facts jsonb, fingerprint text)
  order by t.place, e.i
  on conflict (job_no, fingerprint) do nothing;
  return true;
end;
$$;
