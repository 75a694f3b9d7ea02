-- remember_stories notes when each story will look again by itself, so that the sweep can tell a late one from a lost one.
-- p_stories: [{hold_no, generation, due_at}], due_at in microseconds since 1970 as text. Doing it twice is doing it once.
create function ledger.remember_stories(p_stories jsonb) returns void
language plpgsql volatile
set plan_cache_mode = force_generic_plan
as $$
begin
  insert into ledger.stories (hold_no, generation, due_at)
  select r.hold_no, r.generation, timestamptz 'epoch' + r.due_at * interval '1 microsecond'
  from jsonb_to_recordset(p_stories) as r (hold_no bigint, generation int, due_at bigint)
  order by r.hold_no
  on conflict (hold_no) do update
  set due_at = excluded.due_at, generation = greatest(stories.generation, excluded.generation);
end;
$$;
