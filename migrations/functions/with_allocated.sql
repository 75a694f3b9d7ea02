-- with_allocated: an event of a report, with the resources of its run where the report says any. Where it is silent (an
-- epilog knows neither memory nor models of GPUs) it had what was asked for; of GPUs in another number than was asked for,
-- nobody knows the models.
create function ledger.with_allocated(p_event jsonb, p_hold_no bigint) returns jsonb
language sql stable
as $$
  select case
    when p_event -> 'allocated' is null then p_event
    else jsonb_set(p_event, '{facts,resources}', asked.resources || (p_event -> 'allocated') || case
      when p_event -> 'allocated' ? 'gpus' and p_event #> '{allocated,gpus}' <> asked.resources -> 'gpus' then '{"gpusByModel": {}}'::jsonb
      else '{}' end) end
  from (
    select coalesce(
      (select d.request #> '{components,0,resources}' from ledger.decisions d where d.decision_no = p_hold_no),
      '{"nodes": 1, "cpus": 1, "gpus": 0, "gpusByModel": {}, "memoryMib": 0}'::jsonb) as resources) asked
$$;
