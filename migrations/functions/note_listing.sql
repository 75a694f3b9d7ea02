-- note_listing writes down what a whole listing of a queue shows of the open holds: which of them no job in it carries, and
-- of which arrays tasks are missing. Returns those of which this has been so for p_grace_seconds, in every listing since,
-- and of which the accounting, heard without a gap for as long, has not said anything either.
--
-- A job carries a hold by its stamp, or because it was bound to it. A hold without a key was never stamped on a job, so only
-- one that was bound can be missed. Holds whose jobs have all ended wait for something else than the queue.
--
-- p_rows as queue_known takes them, with `tasks`. p_listed_at is the moment of the listing by the database's clock: no hold
-- that was placed after it is missed, and a listing that is older than the last one is passed over (returns nothing).
-- Racing listings of one cluster follow one another. Moves no money.
create or replace function ledger.note_listing(
  p_cluster_no int, p_rows jsonb, p_listed_at timestamptz, p_taken_at timestamptz, p_grace_seconds int
) returns table (hold_no bigint, hold_id text, tasks_left int, seen_until timestamptz)
language plpgsql volatile
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  -- Between two reports of the accounting; a look every half minute misses a few before its silence counts as a gap.
  c_silence constant interval := '10 minutes';
  v_look ledger.scheduler_looks;
  v_grace interval := p_grace_seconds * interval '1 second';
begin
  insert into ledger.scheduler_looks (cluster_no) values (p_cluster_no) on conflict do nothing;
  select * into strict v_look from ledger.scheduler_looks l where l.cluster_no = p_cluster_no for update;
  if v_look.listed_at >= p_listed_at then return; end if;

  with rows as materialized (
    select * from jsonb_to_recordset(p_rows) as r (job_id text, task text, key text, submitted bigint, phase text, tasks int)
    where r.phase <> 'ended'
  ), carried as materialized (
    select coalesce(h.group_no, h.hold_no) as hold_no, r.job_id, r.task, r.submitted, coalesce(r.tasks, 1) as tasks
    from rows r
    cross join lateral (
      select d.decision_no as hold_no from ledger.decisions d where d.key = r.key and d.code = 'placed'
      union
      select j.hold_no from ledger.jobs j
      where j.cluster_no = p_cluster_no and j.job_id = r.job_id and j.hold_no is not null
        and j.submitted_at = timestamptz 'epoch' + r.submitted * interval '1 microsecond') by_name
    join ledger.holds h on h.hold_no = by_name.hold_no and h.cluster_no = p_cluster_no
  ), arrays as (
    select h.hold_no, asked.tasks as expected, sum(c.tasks)::int as live
    from carried c
    join ledger.holds h on h.hold_no = c.hold_no and h.status = 'open' and h.placed_at < p_listed_at
    join lateral (
      select (d.request #>> '{components,0,arrayTasks}')::int as tasks from ledger.decisions d
      where d.decision_no = h.hold_no) asked on asked.tasks > 1
    group by h.hold_no, asked.tasks
  ), shrunk as (
    select a.hold_no, a.live + told.over as tasks_left
    from arrays a
    cross join lateral (
      select count(distinct (e.job_no, e.task)) filter (where e.task <> '' and e.type in ('ended', 'cancelled') and not exists (
          select from carried c where c.hold_no = a.hold_no and c.task = e.task))::int as over,
        count(*) filter (where e.task = '' and e.type in ('ended', 'cancelled')) as whole,
        min((e.facts ->> 'arrayTasks')::int) filter (where e.type = 'resized') as resized
      from ledger.jobs j join ledger.job_events e on e.job_no = j.job_no
      where j.hold_no = a.hold_no) told
    where told.whole = 0 and a.live + told.over < least(a.expected, coalesce(told.resized, a.expected))
  ), unseen as (
    select h.hold_no, 0 as tasks_left
    from ledger.holds h
    where h.cluster_no = p_cluster_no and h.status = 'open' and h.placed_at < p_listed_at
      and coalesce(h.group_no, h.hold_no) = h.hold_no
      and not exists (select from carried c where c.hold_no = h.hold_no)
      and not exists (select from ledger.jobs j where j.hold_no = h.hold_no and j.state in ('awaiting_cost', 'quarantined'))
      and (exists (select from ledger.jobs j where j.hold_no = h.hold_no)
        or exists (select from ledger.decisions d where d.decision_no = h.hold_no and d.key is not null))
    union all
    select * from shrunk
  ), seen as (
    delete from ledger.unseen_holds u
    where u.cluster_no = p_cluster_no and not exists (select from unseen s where s.hold_no = u.hold_no)
  )
  insert into ledger.unseen_holds as u (hold_no, cluster_no, tasks_left, since, seen_until)
  select s.hold_no, p_cluster_no, s.tasks_left, p_listed_at, v_look.taken_at from unseen s
  on conflict (hold_no) do update
  set tasks_left = excluded.tasks_left, since = excluded.since, seen_until = excluded.seen_until
  where u.tasks_left <> excluded.tasks_left;

  update ledger.scheduler_looks l
  set listed_at = p_listed_at, taken_at = p_taken_at, listed_jobs = jsonb_array_length(p_rows), failed_at = null, failure = null
  where l.cluster_no = p_cluster_no;

  if v_look.accounted_since is null or v_look.accounted_since > p_listed_at - v_grace
    or v_look.accounted_at < p_listed_at - c_silence
  then return; end if;
  return query
  select u.hold_no, h.hold_id, u.tasks_left, u.seen_until
  from ledger.unseen_holds u join ledger.holds h on h.hold_no = u.hold_no
  where u.cluster_no = p_cluster_no and u.since <= p_listed_at - v_grace
  order by u.hold_no;
end;
$$;
