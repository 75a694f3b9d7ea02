-- doubtful_at is the time of which an event speaks that knows its job by its id alone; null where it names its job, or tells a cost.
create function ledger.doubtful_at(p_event ledger.job_events) returns timestamptz
language sql immutable parallel safe
as $$
  select case when p_event.facts ? 'byIdAlone' and p_event.type <> 'cost' then
    coalesce(to_timestamp((p_event.facts ->> 'startedAt')::numeric / 1000000), p_event.at) end
$$;
