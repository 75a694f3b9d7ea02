-- set_aside_repeats takes out of the staged runs (ledger.run_rows) those that the log has named before, and says what they would have
-- counted. What this import has kept it knows from there; of other runs it keeps a list (ledger.seen_runs). 0 is a dry run.
create function ledger.set_aside_repeats(
  p_cluster_no int, p_import_no bigint,
  out places int[], out cpu_seconds float8, out gpu_seconds float8, out node_seconds float8
)
language sql volatile
as $$
  with first_named as (
    insert into ledger.seen_runs (job_id, submitted_at, started_at, place)
    select r.job_id, r.submitted_at, r.started_at, r.place
    from ledger.run_rows r
    where not exists (
      select from ledger.imported_runs i
      where (i.cluster_no, i.job_id, i.submitted_at, i.started_at) = (p_cluster_no, r.job_id, r.submitted_at, r.started_at)
        and i.import_no = p_import_no)
    order by r.place
    on conflict do nothing
    returning place
  ), repeated as (
    delete from ledger.run_rows r where r.place not in (select place from first_named)
    returning r.place, r.cpus, r.gpus, r.nodes, r.active_micros,
      round(extract(epoch from r.ended_at - r.started_at) * 1000000) as whole_micros
  )
  select coalesce(array_agg(place), '{}'), coalesce(sum(cpus::numeric * active_micros) / 1000000, 0)::float8,
    coalesce(sum(gpus::numeric * whole_micros) / 1000000, 0)::float8,
    coalesce(sum(nodes::numeric * active_micros) / 1000000, 0)::float8
  from repeated
$$;
