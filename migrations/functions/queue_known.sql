-- queue_known: what the ledger knows of the rows of a queue, of those alone that tell something new. Reads only, takes no
-- locks; a queue of ten thousand jobs of which everything is known costs one pass over their events and returns nothing.
--
-- p_rows: [{i, job_id, task, key, submitted, started, sized, phase, evidence, final, account}], times in microseconds since 1970. Where
-- `submitted` is null it is the newest job of that id that had been submitted when it started. `sized`: since when it has had a
-- size, where the row says that of a resized job; it is new where that was not told. `evidence` is
-- what a record of the end has to say (start/end state/who cancelled it) so that it is known; `final`: the job is not run
-- again, which a record that says only how its run ended did not tell. A row is new where its job
-- is not known by its id and submit time, or is stamped with a hold and free to be bound to it; where its start or its end
-- was not told, or only guessed (by an epilog, or when it was missed); where it is suspended and that was not told, or the other
-- way round; where it still has the account that it had before a change of more than ten seconds before the
-- queue was taken (Slurm has not made it). is_split: the row is a task that was changed by itself, and a job of its own.
-- `pauses`: [[type, at]] of its run.
create or replace function ledger.queue_known(p_cluster_no int, p_rows jsonb, p_taken_at timestamptz default null)
returns table (i int, hold_id text, is_bound boolean, is_known boolean, has_start boolean, has_end boolean, is_split boolean,
  is_unchanged boolean, pauses jsonb)
language plpgsql stable
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
  return query
  with rows as materialized (
    select * from jsonb_to_recordset(p_rows) as r (
      i int, job_id text, task text, key text, submitted bigint, started bigint, sized bigint, phase text, evidence text, final boolean,
      account text)
  ), found as materialized (
    select r.i, r.job_id, case when j.is_split then '' else r.task end as task, r.key, r.submitted, r.started, r.sized, r.phase, r.evidence,
      r.final,
      r.account, coalesce(j.is_split, false) as is_split, j.job_no, j.hold_no, stamped.hold_no as stamped_no, stamped.hold_id as stamped_id
    from rows r
    -- A task that was changed by itself is a job of its own (replace_hold).
    left join lateral (
      select j.job_no, j.hold_no, j.job_id <> r.job_id as is_split
      from ledger.jobs j
      where j.cluster_no = p_cluster_no and j.job_id in (r.job_id, r.job_id || '_' || nullif(r.task, ''))
        and j.submitted_at >= coalesce(timestamptz 'epoch' + r.submitted * interval '1 microsecond', '-infinity')
        and j.submitted_at <= timestamptz 'epoch' + coalesce(r.submitted, r.started) * interval '1 microsecond'
      order by j.submitted_at desc, is_split desc limit 1) j on true
    left join lateral (
      select h.hold_no, h.hold_id
      from ledger.decisions d join ledger.holds h on h.hold_no = d.decision_no
      where d.key = r.key and d.code = 'placed' and h.cluster_no = p_cluster_no
      order by h.hold_no desc limit 1) stamped on j.is_split is not true
  ), told as materialized (
    select e.job_no, e.task,
      array_agg(coalesce((e.facts ->> 'startedAt')::bigint, ledger.epoch_micros(e.at)))
        filter (where e.type = 'started' or e.facts ? 'startedAt') as starts,
      array_agg(coalesce((e.facts ->> 'startedAt')::bigint, -1))
        filter (where e.type in ('ended', 'cancelled', 'requeued', 'preempted', 'node_failed') and not e.facts ? 'atArrival') as ends,
      array_agg(coalesce((e.facts ->> 'startedAt')::bigint, -1))
        filter (where e.type in ('ended', 'cancelled') and not e.facts ? 'atArrival') as finals,
      array_agg(format('%s/%s/%s', e.facts ->> 'startedAt', e.facts ->> 'endState', e.facts ->> 'cancelledBy'))
        filter (where e.type in ('ended', 'cancelled', 'requeued', 'preempted', 'node_failed') and not e.facts ? 'atArrival') as endings,
      array_agg(ledger.epoch_micros(e.at)) filter (where e.type = 'resized') as sizes,
      coalesce(jsonb_agg(jsonb_build_array(e.type, ledger.epoch_micros(e.at)))
        filter (where e.type in ('suspended', 'resumed')), '[]'::jsonb) as pauses
    from (select distinct job_no from found where job_no is not null) known
    join ledger.job_events e on e.job_no = known.job_no
    group by e.job_no, e.task
  ), compared as (
    select f.*,
      f.job_no is not null as is_known,
      -- Free to be bound only where a stamp says to what.
      f.hold_no is not null and (f.stamped_no is null or f.hold_no = f.stamped_no
        or not ledger.may_be_bound(f.hold_no)) as is_bound,
      coalesce(f.started = any (own.starts), false) as has_start,
      (coalesce(coalesce(f.started, -1) = any (own.ends), false)
        or (f.started is null and coalesce(-1 = any (whole.ends), false)))
        and (f.evidence is null or coalesce(f.evidence = any (own.endings), false))
        and (f.final is not true or coalesce(coalesce(f.started, -1) = any (own.finals), false)) as has_end,
      f.phase <> 'ended' and exists (
          select from ledger.holds o where o.replaced_by = f.hold_no or (o.hold_no = f.hold_no and o.split_from is not null))
        and ledger.hold_before_change(f.hold_no, f.account, null, p_taken_at - interval '10 seconds') is not null as is_unchanged,
      f.sized is null or coalesce(f.sized = any (own.sizes), false) as has_size,
      paused.pauses, paused.last
    from found f
    left join told own on own.job_no = f.job_no and own.task = f.task
    left join told whole on whole.job_no = f.job_no and whole.task = '' and f.task <> ''
    cross join lateral (
      select coalesce(jsonb_agg(p.pause order by (p.pause ->> 1)::bigint), '[]'::jsonb) as pauses,
        (array_agg(p.pause ->> 0 order by (p.pause ->> 1)::bigint desc))[1] as last
      from jsonb_array_elements(coalesce(own.pauses, '[]'::jsonb) || coalesce(whole.pauses, '[]'::jsonb)) as p (pause)
      where (p.pause ->> 1)::bigint >= f.started) paused
  )
  select c.i, c.stamped_id, c.is_bound, c.is_known, c.has_start, c.has_end, c.is_split, c.is_unchanged, c.pauses
  from compared c
  where not c.is_known
    or (c.stamped_no is not null and not c.is_bound)
    or (c.phase in ('running', 'suspended') and c.started is not null and (
      not c.has_start or c.sized is null and (c.phase = 'suspended') <> (c.last is not distinct from 'suspended')))
    or (c.phase = 'ended' and not c.has_end)
    or c.is_unchanged
    or not c.has_size
  order by c.i;
end;
$$;
