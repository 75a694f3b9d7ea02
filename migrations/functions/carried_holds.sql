-- carried_holds: which holds the rows of a queue carry, by their stamps or because their jobs were bound to them. Reads only.
-- Of a heterogeneous group its leader. Each row is looked up by indexes, so that ten thousand of them cost a fifth of a second
-- whatever else there is; what is missing among them is told apart by the caller, for PostgreSQL, which cannot know how many
-- rows a listing has, would compare each with each (a minute for ten thousand).
--
-- p_rows: [{i, job_id, task, key, submitted}], submitted in microseconds since 1970.
create or replace function ledger.carried_holds(p_cluster_no int, p_rows jsonb) returns table (i int, hold_no bigint)
language plpgsql stable
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
  return query
  select r.i, by_name.hold_no
  from jsonb_to_recordset(p_rows) as r (i int, job_id text, task text, key text, submitted bigint)
  cross join lateral (
    select coalesce(h.group_no, h.hold_no) as hold_no
    from ledger.decisions d join ledger.holds h on h.hold_no = d.decision_no and h.cluster_no = p_cluster_no
    where d.key = r.key and d.code = 'placed'
    union
    select coalesce(h.group_no, h.hold_no)
    from ledger.jobs j join ledger.holds h on h.hold_no = j.hold_no
    where j.cluster_no = p_cluster_no and j.job_id in (r.job_id, r.job_id || '_' || nullif(r.task, ''))
      and j.submitted_at = timestamptz 'epoch' + r.submitted * interval '1 microsecond') by_name;
end;
$$;
