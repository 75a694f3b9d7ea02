-- tasks_told: what the events of some arrays say of their tasks: which of them have ended, whether the array was said to have
-- ended as a whole, and how many tasks it was last said to have. Reads only.
create or replace function ledger.tasks_told(p_hold_nos bigint[])
returns table (hold_no bigint, ended text[], is_over boolean, resized int)
language sql stable
as $$
  select j.hold_no,
    coalesce(array_agg(distinct e.task) filter (where e.task <> '' and e.type in ('ended', 'cancelled')), '{}'),
    coalesce(bool_or(e.task = '' and e.type in ('ended', 'cancelled')), false),
    min((e.facts ->> 'arrayTasks')::int) filter (where e.type = 'resized')
  from ledger.jobs j join ledger.job_events e on e.job_no = j.job_no
  where j.hold_no = any (p_hold_nos)
  group by j.hold_no
$$;
