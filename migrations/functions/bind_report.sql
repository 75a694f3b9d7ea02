-- bind_report finds the hold that a report is about and records its events there, or keeps it until a hold is known.
--
-- p_report: {source, cluster_no, job_id, task, account, partition, user, submitted_at, not_after, hold_id, hold_key,
--   any_of_its_id, guesses, opens_late, only_looks, cost_micro, correction, evidence, fingerprint}
-- p_events: what is recorded at once where the hold is known, as ledger.record_events reads it; one of type 'submitted' only
--   binds, and is left out where the hold has its job already.
-- p_waits: what is recorded once the hold is known, where it is not.
--
-- Where nothing names the hold: with "guesses" one is taken among the open holds of the same account, partition, user and
-- time (open_candidates), if they are all of one shape; with "opens_late" a late one is opened where there is none at all
-- and the account is known; "only_looks" changes nothing. Everything else waits in ledger.unmatched.
--
-- Returns {outcome: 'bound' | 'waiting' | 'nothing', hold_id, unmatched_no, why}. Idempotent: the same report finds the hold
-- that it has bound, or the row in which it waits. Races: reports of one account on one cluster are bound one after the
-- other, so that two of them never take one hold; and under the job's own lock, so that none begins to wait for a hold just
-- while its job is bound to it.
create function ledger.bind_report(
  p_report jsonb, p_events jsonb, p_waits jsonb, p_principal text, p_key text, p_body_hash bytea
) returns jsonb
language plpgsql volatile
as $$
declare
  v_cluster_no constant int := (p_report ->> 'cluster_no')::int;
  v_job_id constant text := p_report ->> 'job_id';
  v_task constant text := coalesce(p_report ->> 'task', '');
  v_account constant text := p_report ->> 'account';
  v_only_looks constant boolean := coalesce((p_report ->> 'only_looks')::boolean, false);
  v_hold ledger.holds;
  v_hold_no bigint;
  v_bound ledger.jobs;
  v_shapes int := 0;
  v_events jsonb;
  v_rival bigint;
  v_unmatched_no bigint;
  v_payer text;
begin
  perform pg_advisory_xact_lock(hashtextextended('reports/' || v_cluster_no || '/' || coalesce(v_account, ''), 0));
  perform pg_advisory_xact_lock(ledger.job_lock(v_cluster_no, v_job_id));

  v_hold_no := ledger.hold_of_report(p_report, p_events || p_waits, p_principal);
  if v_hold_no is null and (p_report ->> 'guesses')::boolean then
    select min(c.hold_no), count(distinct c.shape) into v_hold_no, v_shapes
    from ledger.open_candidates(v_cluster_no, v_account, p_report ->> 'partition', p_report ->> 'user',
      (p_report ->> 'submitted_at')::timestamptz, (p_report ->> 'not_after')::timestamptz) c;
    if v_shapes > 1 then v_hold_no := null; end if;
  end if;

  if v_hold_no is not null then
    select * into strict v_hold from ledger.holds where hold_no = v_hold_no;
    -- Whoever names both a hold and an account is mistaken in one of them; an epilog's job has ended all the same.
    if p_report ->> 'source' = 'asbx' and v_hold.hold_id = p_report ->> 'hold_id' then
      select a.name into strict v_payer from ledger.accounts a where a.account_no = v_hold.account_no;
      if v_payer <> v_account then
        perform ledger.fail('hold_taken',
          format('Hold %s is of account ''%s'', and the report of account ''%s''; send the account of the hold, or leave out one of the two.',
            v_hold.hold_id, v_payer, v_account),
          jsonb_build_object('transaction_id', v_hold.hold_id, 'account', v_payer, 'requested_account', v_account));
      end if;
    end if;
    select * into v_bound from ledger.jobs j
    where j.hold_no = v_hold_no
    order by j.job_id = v_job_id desc, j.submitted_at desc nulls last limit 1;
    if v_only_looks then return jsonb_build_object('outcome', 'bound', 'hold_id', v_hold.hold_id); end if;
  end if;

  if v_hold_no is not null
    or (v_shapes = 0 and not v_only_looks and (p_report ->> 'opens_late')::boolean
      and exists (select from ledger.accounts where name = v_account))
  then
    select coalesce(jsonb_agg(ledger.with_allocated(e.event, v_hold.hold_no) || jsonb_strip_nulls(jsonb_build_object(
        'hold_id', v_hold.hold_id,
        -- Of a job that is known, its own: the scheduler's clock and the hook's may differ by a second.
        'submitted_at', coalesce(case when v_bound.job_id = v_job_id then v_bound.submitted_at end,
          (p_report ->> 'submitted_at')::timestamptz),
        'at', case when e.event ->> 'type' = 'submitted'
          then coalesce((p_report ->> 'submitted_at')::timestamptz, v_hold.effective_at) end)) order by e.place), '[]')
    into v_events
    from jsonb_array_elements(p_events) with ordinality as e (event, place)
    where e.event ->> 'type' <> 'submitted' or v_bound.job_no is null;

    if jsonb_array_length(v_events) > 0 then
      perform ledger.record_events(v_events, p_principal, p_principal);
    end if;
    select j.hold_no into v_hold_no from ledger.jobs j
    where j.cluster_no = v_cluster_no and j.job_id = v_job_id and j.hold_no is not null
    order by j.hold_no = v_hold_no desc nulls last, j.job_no desc limit 1;
    return jsonb_build_object('outcome', 'bound',
      'hold_id', coalesce((select h.hold_id from ledger.holds h where h.hold_no = v_hold_no), v_hold.hold_id));
  end if;
  if p_report ->> 'hold_id' is not null and p_report ->> 'source' = 'asbx' then
    -- A mistake of the sender's, which he should hear of. (An epilog that names a wrong one still tells of its job.)
    if exists (select from ledger.transactions where transaction_id = p_report ->> 'hold_id') then
      perform ledger.fail('not_a_hold', 'Transaction is not a hold transaction', jsonb_build_object('transaction_id', p_report ->> 'hold_id'));
    end if;
    perform ledger.fail('hold_not_found', format('There is no hold %s, and none is known for job %s.', p_report ->> 'hold_id', v_job_id),
      jsonb_build_object('transaction_id', p_report ->> 'hold_id'));
  end if;
  if v_only_looks then return jsonb_build_object('outcome', 'nothing'); end if;

  -- Of whoever has not said his account it may be the same job.
  select u.cost_micro into v_rival from ledger.unmatched u
  where u.cluster_no = v_cluster_no and u.job_id = v_job_id and u.task = v_task and u.status = 'waiting'
    and coalesce(u.account_name = v_account, true) and u.cost_micro <> (p_report ->> 'cost_micro')::bigint
  order by u.unmatched_no desc limit 1;
  if v_rival is not null and not coalesce((p_report ->> 'correction')::boolean, false) then
    perform ledger.fail('already_reconciled',
      format('A cost of %s waits for job %s to get a hold; send "correction": true to change it to %s.',
        ledger.decimal_of(v_rival), v_job_id, ledger.decimal_of((p_report ->> 'cost_micro')::bigint)),
      jsonb_build_object('reported', ledger.decimal_of(v_rival), 'requested', ledger.decimal_of((p_report ->> 'cost_micro')::bigint)));
  end if;

  insert into ledger.unmatched (source, why, cluster_no, job_id, task, account_name, user_name, partition, submitted_at,
    not_after, cost_micro, events, evidence, fingerprint, received_by)
  values (p_report ->> 'source', case when v_shapes > 1 then 'several_holds' else 'no_hold' end, v_cluster_no, v_job_id, v_task,
    v_account, p_report ->> 'user', p_report ->> 'partition', (p_report ->> 'submitted_at')::timestamptz,
    (p_report ->> 'not_after')::timestamptz, (p_report ->> 'cost_micro')::bigint, p_waits, p_report -> 'evidence',
    decode(p_report ->> 'fingerprint', 'hex'), p_principal)
  on conflict (cluster_no, job_id, fingerprint) where status = 'waiting' do nothing
  returning unmatched_no into v_unmatched_no;
  if v_unmatched_no is null then
    select u.unmatched_no into strict v_unmatched_no from ledger.unmatched u
    where u.cluster_no = v_cluster_no and u.job_id = v_job_id and u.fingerprint = decode(p_report ->> 'fingerprint', 'hex')
      and u.status = 'waiting';
  end if;
  -- The key of a reconciliation that begins when the job is bound: another body may not have it.
  if ledger.replayed(p_principal, 'begin_reconciliation', p_key, p_body_hash) is null then
    perform ledger.remember(p_principal, 'begin_reconciliation', p_key, p_body_hash,
      jsonb_build_object('unmatched_no', v_unmatched_no::text));
  end if;
  return jsonb_build_object('outcome', 'waiting', 'unmatched_no', v_unmatched_no::text,
    'why', case when v_shapes > 1 then 'several_holds' else 'no_hold' end);
end;
$$;
