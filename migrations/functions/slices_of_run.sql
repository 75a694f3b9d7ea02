-- slices_of_run is what an imported run used, as meter_run takes it.
create function ledger.slices_of_run(p_run ledger.imported_runs) returns jsonb
language sql stable
as $$
  select jsonb_build_array(jsonb_build_object('starts_at', p_run.started_at, 'ends_at', p_run.ended_at, 'nodes', p_run.nodes,
    'cpus', p_run.cpus, 'gpus', p_run.gpus, 'memory_mib', p_run.memory_mib, 'active_micros', p_run.active_micros::text))
$$;
