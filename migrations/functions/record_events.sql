-- record_events stores what schedulers say about jobs, binds each job to its hold and rings the stories that have news.
--
-- Idempotent by fingerprint: an event that is known changes nothing. An event of a job that has no hold opens a late one
-- if it names a known account, and waits unmatched otherwise. A job that has a hold takes what was reported of it before it
-- had one (take_reports). Its account is whose hold it gets, where it has none; the seen account only says what Slurm has it under
-- (hold_before_change): a prolog opens no hold. Returns one receipt an event, in the order of the array; one with rivalNo, the event's number,
-- where it says a cost that is no correction and the hold's jobs have others.
--
-- Races: events of one (cluster, job id) are recorded one caller after the other, so a job's event numbers grow in the
-- order in which they become visible. Locks are taken in one order: all jobs by their lock number, the trees of
-- those whose change was never made (undo_replacement), then rings by hold.
create or replace function ledger.record_events(p_events jsonb, p_principal text, p_actor text) returns jsonb
language plpgsql volatile
set plan_cache_mode = force_generic_plan
as $$
declare
  v_event record;
  v_job ledger.jobs;
  v_hold_no bigint;
  v_hold_id text;
  v_hold_status text;
  v_leader_no bigint;
  v_fresh boolean;
  v_rival_no bigint;
  v_adopted boolean;
  v_uncharged text;
  v_is_named boolean;
  v_split record;
  v_unmoved_no bigint;
  v_reported boolean;
  v_undone_nos bigint[];
  v_receipts jsonb[] := '{}';
  v_order int[] := '{}';
  v_touched bigint[] := '{}';
  v_rung bigint[] := '{}';
begin
  perform pg_advisory_xact_lock(job.lock_no)
  from (
    select distinct ledger.job_lock(cluster_no, job_id) as lock_no
    from jsonb_to_recordset(p_events) as e (cluster_no int, job_id text)
    order by lock_no) job;

  select array_agg(tree.account_no) into v_undone_nos
  from jsonb_to_recordset(p_events) as e (
    cluster_no int, job_id text, task text, at timestamptz, account text, seen_account text, partition text)
  join ledger.jobs j on j.cluster_no = e.cluster_no and j.job_id in (e.job_id, e.job_id || '_' || nullif(e.task, ''))
  join ledger.holds new on new.hold_no = j.hold_no
  join ledger.holds old on old.hold_no = case when new.split_from is not null or exists (select from ledger.holds o where o.replaced_by = new.hold_no) then
    ledger.hold_before_change(new.hold_no, coalesce(e.account, e.seen_account), e.partition, e.at) end
  cross join lateral (values (old.account_no), (new.account_no)) as tree (account_no);
  if v_undone_nos is not null then
    perform ledger.lock_tree(v_undone_nos);
  end if;

  for v_event in
    select *, ledger.job_lock(cluster_no, job_id) as lock_no
    from jsonb_to_recordset(p_events) as e (
      i int, cluster_no int, job_id text, type text, task text, at timestamptz, submitted_at timestamptz,
      started_at timestamptz, hold_id text, hold_key text, account text, seen_account text, "user" text, partition text, name text,
      facts jsonb, fingerprint text, new_hold_id text)
    order by lock_no, i
  loop
    v_hold_no := null;
    if v_event.hold_id is not null then
      select h.hold_no into v_hold_no from ledger.holds h
      where h.hold_id = v_event.hold_id and h.cluster_no = v_event.cluster_no;
    end if;
    if v_hold_no is null and v_event.hold_key is not null then
      -- A key of before there were API keys is that of this machine. That of a submission is on the job for all to see who tell
      -- of its cluster: the hook, the relay, the worker that looks at the queue, a hook whose API key has another name now.
      select d.decision_no into v_hold_no
      from ledger.decisions d join ledger.holds h on h.hold_no = d.decision_no
      where d.key = v_event.hold_key and (d.principal in (p_principal, 'local') or d.request ? 'mode')
        and d.code = 'placed' and h.cluster_no = v_event.cluster_no
      order by d.principal = p_principal desc limit 1;
    end if;

    v_is_named := v_hold_no is not null;
    v_hold_no := ledger.standing_hold(v_hold_no);

    -- A task that was changed by itself is a job of its own, whatever stamp it has.
    if v_event.task <> '' then
      select j.job_id, j.hold_no into v_split
      from ledger.jobs j join ledger.holds h using (hold_no)
      where j.cluster_no = v_event.cluster_no and j.job_id = v_event.job_id || '_' || v_event.task
        and (j.submitted_at = v_event.submitted_at
          or (h.status = 'open' and (v_event.submitted_at is null or j.submitted_at <= v_event.submitted_at)))
      order by j.submitted_at desc limit 1;
      if found then
        v_event.job_id := v_split.job_id;
        v_event.task := '';
        v_hold_no := v_split.hold_no;
      end if;
    end if;

    v_job := ledger.bind_job(
      v_event.cluster_no, v_event.job_id, v_event.task, v_event.submitted_at, v_event.type, v_event.started_at, v_event.at,
      v_hold_no);
    v_unmoved_no := ledger.hold_before_change(
      v_job.hold_no, coalesce(v_event.account, v_event.seen_account), v_event.partition, v_event.at);
    if v_unmoved_no is not null then
      v_rung := v_rung || v_job.hold_no;
      v_job.hold_no := ledger.undo_replacement(v_job.job_no, v_unmoved_no, v_event.new_hold_id, v_event.at, p_actor);
    end if;

    -- A stamp whose submission has no hold: why not decides whether its runs are charged.
    v_uncharged := null;
    if v_hold_no is null and v_event.hold_key is not null then
      v_uncharged := ledger.why_uncharged(v_event.cluster_no, v_event.hold_key);
    end if;

    v_adopted := false;
    if v_job.hold_no is null then
      -- The check may have named the job; else whoever pays for it is known by name.
      select d.decision_no into v_hold_no
      from ledger.decisions d join ledger.holds h on h.hold_no = d.decision_no
      where d.request ->> 'jobId' = v_event.job_id and d.code = 'placed'
        and h.cluster_no = v_event.cluster_no and h.status = 'open'
        and not exists (select from ledger.jobs j where j.hold_no = h.hold_no)
      order by d.decision_no desc limit 1;
      if v_hold_no is null then
        v_hold_no := ledger.adopt_job(
          v_event.new_hold_id, coalesce(v_event.account, v_job.account_name), v_event.cluster_no, v_event.partition,
          v_event."user", v_event.job_id, coalesce(v_event.submitted_at, v_event.started_at, v_event.at), p_actor,
          v_uncharged);
        v_adopted := v_hold_no is not null;
      end if;
      v_job.hold_no := v_hold_no;
    end if;

    insert into ledger.job_events (job_no, type, task, at, facts, fingerprint)
    values (
      v_job.job_no, v_event.type, v_event.task, v_event.at,
      v_event.facts || case
        when v_event.submitted_at is null and not v_is_named then jsonb '{"byIdAlone": true}' else '{}' end,
      decode(v_event.fingerprint, 'hex'))
    on conflict (job_no, fingerprint) do nothing;
    v_fresh := found;

    v_reported := false;
    if v_job.hold_no is not null and exists (
      select from ledger.unmatched u
      where u.cluster_no = v_event.cluster_no and u.job_id = v_event.job_id and u.status = 'waiting')
    then
      v_reported := ledger.take_reports(v_job, v_job.hold_no);
    end if;

    v_rival_no := null;
    if v_event.facts ? 'cost' and not coalesce((v_event.facts ->> 'correction')::boolean, false) then
      select e.event_no into v_rival_no from ledger.job_events e
      where e.job_no = v_job.job_no and e.fingerprint = decode(v_event.fingerprint, 'hex')
        and exists (
          select from ledger.jobs j join ledger.job_events other on other.job_no = j.job_no
          where j.hold_no = v_job.hold_no and other.facts ? 'cost' and other.event_no <> e.event_no);
    end if;

    if v_fresh or v_job.job_no <> all (v_touched) then
      update ledger.jobs j
      set hold_no = v_job.hold_no,
          account_name = coalesce(j.account_name, held.account_name, v_event.account),
          user_name = coalesce(v_event."user", j.user_name, held.user_name),
          partition = coalesce(v_event.partition, j.partition, held.partition),
          name = coalesce(v_event.name, j.name),
          updated_at = clock_timestamp()
      from (select 1) one left join lateral (
        select a.name as account_name, h.user_name, nullif(h.partition, '') as partition
        from ledger.holds h join ledger.accounts a using (account_no) where h.hold_no = v_job.hold_no) held on true
      where j.job_no = v_job.job_no;
    end if;
    v_touched := v_touched || v_job.job_no;
    if v_event.hold_key is not null and v_job.stamp is null then
      update ledger.jobs set stamp = v_event.hold_key where job_no = v_job.job_no;
      if v_uncharged is not null then
        perform ledger.mark_uncharged(v_event.cluster_no, v_event.hold_key);
      end if;
    end if;

    select coalesce(h.group_no, h.hold_no), h.hold_id, h.status into v_leader_no, v_hold_id, v_hold_status
    from ledger.holds h where h.hold_no = v_job.hold_no;
    -- The past of a closed hold matters only where it may cost something (of a size that is, where the accounting says whose it was),
    -- or where its job was submitted once more.
    if v_reported or v_fresh and (v_hold_status = 'open' or v_event.type not in ('submitted', 'resumed', 'resized')
      or v_event.type = 'resized' and v_event.facts ? 'startedAt'
      or v_event.type = 'submitted' and exists (
        select from ledger.jobs j where j.hold_no = v_job.hold_no and j.submitted_at < v_job.submitted_at))
    then
      v_rung := v_rung || v_leader_no;
    end if;

    v_order := v_order || v_event.i;
    v_receipts := v_receipts || jsonb_strip_nulls(jsonb_build_object(
      'status', case when not v_fresh then 'duplicate' when v_job.hold_no is null then 'unmatched' else 'recorded' end,
      'holdId', v_hold_id,
      'rivalNo', v_rival_no::text,
      'detail', case
        when v_job.hold_no is null then 'no hold and no known account: the job is kept unmatched until an event names one'
        when v_adopted then 'the job had no hold: one of nothing was opened late'
        when v_event.hold_id is not null and v_event.hold_id <> v_hold_id then 'the job was bound to another hold before' end));
  end loop;

  -- Until its story has looked, a job's state is what its latest event says.
  update ledger.jobs j
  set state = case
    when j.hold_no is null then 'unmatched'
    when last.type in ('started', 'resumed') then 'running'
    when last.type = 'suspended' then 'suspended'
    when last.type in ('ended', 'cancelled') then 'awaiting_cost'
    else 'pending' end
  from unnest(v_touched) touched (job_no)
  cross join lateral (
    select e.type from ledger.job_events e
    where e.job_no = touched.job_no
    order by e.type in ('cost', 'resized'), e.at desc, e.event_no desc limit 1) last
  where j.job_no = touched.job_no
    and not exists (select from ledger.holds h where h.hold_no = j.hold_no and h.status <> 'open');

  perform ledger.ring_stories(v_rung);

  return coalesce(
    (select jsonb_agg(r.receipt order by r.i) from unnest(v_order, v_receipts) as r (i, receipt)), '[]'::jsonb);
end;
$$;
