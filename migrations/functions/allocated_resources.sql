-- allocated_resources: what a report says that a job had, and where it is silent (an epilog knows neither memory nor models
-- of GPUs) what was asked for. Of GPUs in another number than asked for, nobody knows the models.
create function ledger.allocated_resources(p_hold ledger.holds, p_allocated jsonb) returns jsonb
language sql stable
as $$
  select asked.resources || p_allocated || case
    when (p_allocated -> 'gpus') is distinct from (asked.resources -> 'gpus') and p_allocated ? 'gpus' then '{"gpusByModel": {}}'::jsonb
    else '{}' end
  from (
    select coalesce(
      (select d.request #> '{components,0,resources}' from ledger.decisions d where d.decision_no = p_hold.hold_no),
      '{"nodes": 1, "cpus": 1, "gpus": 0, "gpusByModel": {}, "memoryMib": 0}'::jsonb) as resources) asked
$$;
