-- note_listing writes down that a whole listing of a queue was seen, and which holds no job in it carries, or which arrays
-- have fewer tasks. Returns those of which this has been so in every listing for p_grace_seconds, and of which the accounting,
-- heard after that, has not said anything either: whatever road it is heard by, and however seldom. For a spare that may not be
-- used any more once is enough.
--
-- p_unseen: [{hold_no, tasks_left}]. p_listed_at is the moment of the listing by the database's clock; one that is older than
-- the last one is passed over (returns nothing). Racing listings of one cluster follow one another. Moves no money.
create or replace function ledger.note_listing(
  p_cluster_no int, p_unseen jsonb, p_jobs int, p_listed_at timestamptz, p_taken_at timestamptz, p_grace_seconds int
) returns table (hold_no bigint, hold_id text, tasks_left int, seen_until timestamptz, is_spare boolean)
language plpgsql volatile
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  v_look ledger.scheduler_looks;
  v_grace interval := p_grace_seconds * interval '1 second';
begin
  insert into ledger.scheduler_looks (cluster_no) values (p_cluster_no) on conflict do nothing;
  select * into strict v_look from ledger.scheduler_looks l where l.cluster_no = p_cluster_no for update;
  if v_look.listed_at >= p_listed_at then return; end if;

  -- Hashed, however many there are: nobody knows beforehand, and few are as cheap this way.
  perform set_config('enable_nestloop', 'off', true);
  delete from ledger.unseen_holds u
  where u.cluster_no = p_cluster_no and not exists (
    select from jsonb_to_recordset(p_unseen) as s (hold_no bigint) where s.hold_no = u.hold_no);
  perform set_config('enable_nestloop', 'on', true);

  insert into ledger.unseen_holds as u (hold_no, cluster_no, tasks_left, since, seen_until)
  select s.hold_no, p_cluster_no, s.tasks_left, p_listed_at, v_look.taken_at
  from jsonb_to_recordset(p_unseen) as s (hold_no bigint, tasks_left int)
  on conflict (hold_no) do update
  set tasks_left = excluded.tasks_left, since = excluded.since, seen_until = excluded.seen_until
  where u.tasks_left <> excluded.tasks_left;

  update ledger.scheduler_looks l
  set listed_at = p_listed_at, taken_at = p_taken_at, listed_jobs = p_jobs, failed_at = null, failure = null
  where l.cluster_no = p_cluster_no;

  return query
  select u.hold_no, h.hold_id, u.tasks_left, u.seen_until, spare.is_unused
  from ledger.unseen_holds u join ledger.holds h on h.hold_no = u.hold_no
  cross join lateral (
    select h.use_by is not null and not exists (select from ledger.jobs j where j.hold_no = h.hold_no) as is_unused) spare
  where u.cluster_no = p_cluster_no and v_look.accounted_at is not null
    and case when spare.is_unused
      then greatest(u.since, h.use_by + interval '10 seconds') < least(p_listed_at, v_look.accounted_at)
      else u.since <= least(p_listed_at, v_look.accounted_at) - v_grace end
  order by u.hold_no
  limit 1000;
end;
$$;
