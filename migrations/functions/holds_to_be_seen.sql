-- holds_to_be_seen: the open holds for which a listing of that moment should show a job, with the tasks that each was asked for.
-- Not those whose jobs have all ended, which wait for something else than the queue; nor one without a key, which was never
-- stamped on a job, unless a job was bound to it. Reads only. Subqueries, one index probe each: as joins they are planned
-- as scans of all jobs and all decisions.
create or replace function ledger.holds_to_be_seen(p_cluster_no int, p_listed_at timestamptz)
returns table (hold_no bigint, tasks int)
language plpgsql stable
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
  return query
  select o.hold_no, o.tasks
  from (
    select h.hold_no,
      (select count(*) from ledger.jobs j where j.hold_no = h.hold_no) as jobs,
      (select count(*) from ledger.jobs j
       where j.hold_no = h.hold_no and j.state in ('awaiting_cost', 'quarantined')) as over,
      (select d.key from ledger.decisions d where d.decision_no = h.hold_no) as key,
      coalesce((select (d.request #>> '{components,0,arrayTasks}')::int from ledger.decisions d
        where d.decision_no = h.hold_no), 1) as tasks
    from ledger.holds h
    where h.cluster_no = p_cluster_no and h.status = 'open' and h.placed_at < p_listed_at
      and coalesce(h.group_no, h.hold_no) = h.hold_no) o
  where o.over = 0 and (o.jobs > 0 or o.key is not null);
end;
$$;
