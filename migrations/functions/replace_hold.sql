-- replace_hold moves a job from its hold to another one, because its account, its partition or its user's standing was
-- changed: the old one is given back and the new one placed in one transaction, so that at no moment, and after no crash, the
-- job is without a hold, and its own money does not stand in its way. Where the new one is refused, nothing has changed.
--
-- p_item is one of place_holds', with request.mode: where that is 'shadow', a refusal is recorded and the job moves all the
-- same, to a hold of nothing whose runs are metered and not charged. p_uncharged 'exempt' moves it to such a hold without
-- asking. p_job: {job_id, submitted_at}: it is bound at once, and carries the item's key from now on. With {task, tasks_left} only
-- that task of an array is changed: it becomes a job of its own, 58_4, beside its array, whose hold gives back the part of one of
-- the tasks that it has still to pay for, and of which the task counts as gone.
--
-- outcome as of place_holds, or 'moved': the hold is not the job's any more, because it was closed or replaced by another
-- change meanwhile; nothing was done. Idempotent by the item's key. Events of the job wait, and trees are locked in their order.
create function ledger.replace_hold(p_hold_id text, p_item jsonb, p_job jsonb, p_uncharged text default null)
returns table (outcome text, request jsonb, answer jsonb, effective_at timestamptz)
language plpgsql volatile
as $$
declare
  v_cluster_no int := (p_item ->> 'cluster_no')::int;
  v_principal text := p_item ->> 'principal';
  v_key text := p_item ->> 'key';
  v_new_id text := p_item #>> '{hold_ids,0}';
  v_old ledger.holds;
  v_account ledger.accounts;
  v_new_no bigint;
  v_now timestamptz;
  v_task text := coalesce(p_job ->> 'task', '');
  v_job_id text := concat_ws('_', p_job ->> 'job_id', nullif(v_task, ''));
  v_share bigint;
  v_array ledger.jobs;
begin
  perform pg_advisory_xact_lock(ledger.job_lock(v_cluster_no, v_job_id));
  select * into v_old from ledger.holds where hold_id = p_hold_id;
  if not found then
    perform ledger.fail('hold_not_found', format('There is no hold %s.', p_hold_id), jsonb_build_object('hold_id', p_hold_id));
  end if;
  select * into v_account from ledger.accounts where name = p_item ->> 'account';
  if not found and p_uncharged is null then
    outcome := 'account_not_found';
    return next;
    return;
  end if;
  perform ledger.lock_tree(array_remove(array[v_old.account_no, v_account.account_no], null));
  v_now := clock_timestamp();
  select * into strict v_old from ledger.holds where hold_no = v_old.hold_no;

  if p_uncharged is null then
    select r.* into outcome, request, answer, effective_at from ledger.replay_decision(v_principal, v_key, decode(p_item ->> 'body_hash', 'hex')) r;
    if found then return next; return; end if;
  elsif exists (select from ledger.jobs where stamp = v_key and cluster_no = v_cluster_no and job_id = v_job_id) then
    outcome := 'replayed';
    return next;
    return;
  end if;
  if v_old.status <> 'open' or v_old.replaced_by is not null
    or (v_task <> '' and exists (select from ledger.holds h join ledger.jobs j using (hold_no)
      where h.split_from = v_old.hold_no and j.job_id = v_job_id))
  then
    outcome := 'moved';
    return next;
    return;
  end if;
  if p_uncharged is null then
    if ledger.is_stale(v_account, p_item, (select version from ledger.catalog_version)) then
      outcome := 'stale';
      return next;
      return;
    end if;
  end if;

  begin
    if v_task = '' then
      perform ledger.release_rest(v_old.hold_no, 'The job was changed: held for anew', v_principal, v_now, v_now);
    else
      v_share := v_old.held_micro / greatest((p_job ->> 'tasks_left')::bigint, 1);
      perform ledger.resize_hold(p_hold_id, v_old.held_micro - v_share, format('Task %s was changed: held for by itself', v_task),
        v_principal, null, null, v_now, v_now);
    end if;
    if p_uncharged is null then
      select p.* into outcome, request, answer, effective_at from ledger.place_hold_exactly(p_item, v_account.account_no, v_now) p;
      if answer ->> 'code' <> 'placed' and p_item #>> '{request,mode}' is distinct from 'shadow' then
        raise exception 'refused' using errcode = 'LD003';
      end if;
    end if;
  exception when sqlstate 'LD003' then
    -- What was done is undone; what was answered is kept.
    insert into ledger.decisions (
      decision_no, principal, key, body_hash, account_no, code, request, answer, effective_at, decided_at)
    values (
      ledger.next_txn_no(), v_principal, v_key, decode(p_item ->> 'body_hash', 'hex'), v_account.account_no,
      answer ->> 'code', p_item -> 'request', answer, effective_at, v_now);
    return next;
    return;
  end;

  outcome := coalesce(outcome, 'decided');
  if answer ->> 'code' = 'placed' then
    select hold_no into strict v_new_no from ledger.holds where hold_id = v_new_id;
  else
    v_new_no := ledger.adopt_job(
      v_new_id, p_item ->> 'account', v_cluster_no, p_item #>> '{partitions,0}', p_item ->> 'user', v_job_id, v_now,
      v_principal, coalesce(p_uncharged, 'shadow'));
  end if;

  if v_task <> '' then
    update ledger.holds set split_from = v_old.hold_no, split_micro = v_share where hold_no = v_new_no;
    v_array := ledger.bind_job(
      v_cluster_no, p_job ->> 'job_id', '', (p_job ->> 'submitted_at')::timestamptz, 'submitted', null, v_now, v_old.hold_no);
    insert into ledger.jobs (cluster_no, job_id, submitted_at, hold_no, stamp, account_name, partition, user_name, name, state)
    values (v_cluster_no, v_job_id, v_array.submitted_at, v_new_no, v_key, p_item ->> 'account', p_item #>> '{partitions,0}',
      p_item ->> 'user', v_array.name, 'pending');
    insert into ledger.job_events (job_no, type, task, at, facts, fingerprint)
    values (v_array.job_no, 'cancelled', v_task, v_now,
      jsonb_build_object('note', format('it was changed, and has a hold of its own: job %s', v_job_id)),
      sha256(convert_to('split ' || v_key, 'UTF8')));
    perform ledger.ring_stories(array[v_old.hold_no, v_new_no]);
    return next;
    return;
  end if;
  update ledger.holds set replaced_by = v_new_no where hold_no = v_old.hold_no;
  if not exists (select from ledger.jobs where hold_no = v_old.hold_no) then
    perform ledger.bind_job(
      v_cluster_no, p_job ->> 'job_id', '', (p_job ->> 'submitted_at')::timestamptz, 'submitted', null, v_now, v_old.hold_no);
  end if;
  update ledger.jobs
  set hold_no = v_new_no, stamp = v_key, account_name = p_item ->> 'account', partition = p_item #>> '{partitions,0}',
    user_name = coalesce(p_item ->> 'user', user_name), updated_at = v_now
  where hold_no = v_old.hold_no;
  perform ledger.ring_stories(array[v_old.hold_no, v_new_no]);
  return next;
end;
$$;
