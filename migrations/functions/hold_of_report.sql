-- hold_of_report: the hold that a report names, by its id, by the key of its check, or because the check named the job; else
-- the one that the report's job is bound to. Null where there is none.
--
-- Ids recycle: a job is the one that is meant if its submit time is that of the report, give or take ten seconds; where one
-- of the two is not known, if its hold is still open, or it began or ended when the report says. A report without any time
-- ("any_of_its_id") is about the latest.
create function ledger.hold_of_report(p_report jsonb, p_events jsonb, p_principal text) returns bigint
language plpgsql stable
as $$
declare
  v_cluster_no constant int := (p_report ->> 'cluster_no')::int;
  v_job_id constant text := p_report ->> 'job_id';
  v_account constant text := p_report ->> 'account';
  v_submitted_at constant timestamptz := (p_report ->> 'submitted_at')::timestamptz;
  -- Two clocks tell of the same moment up to this far apart, as in domain/runs.ts.
  c_clocks_apart constant interval := '60 seconds';
  v_hold_no bigint;
begin
  select h.hold_no into v_hold_no from ledger.holds h
  where h.hold_id = p_report ->> 'hold_id' and h.cluster_no = v_cluster_no;
  if found then return v_hold_no; end if;

  select h.hold_no into v_hold_no
  from ledger.decisions d join ledger.holds h on h.hold_no = d.decision_no
  where d.key = p_report ->> 'hold_key' and d.principal in (p_principal, 'local') and d.code = 'placed'
    and h.cluster_no = v_cluster_no
  order by d.principal = p_principal desc limit 1;
  if found then return v_hold_no; end if;

  select j.hold_no into v_hold_no
  from ledger.jobs j join ledger.holds h on h.hold_no = j.hold_no join ledger.accounts a using (account_no)
  where j.cluster_no = v_cluster_no and j.job_id = v_job_id and (v_account is null or a.name = v_account)
    and case
      when v_submitted_at is not null and j.submitted_at is not null
        then j.submitted_at between v_submitted_at - interval '10 seconds' and v_submitted_at + interval '10 seconds'
      else (p_report ->> 'any_of_its_id')::boolean or h.status = 'open' or exists (
        select from ledger.job_events e
        join jsonb_to_recordset(p_events) as told (type text, at timestamptz, fingerprint text, started_at timestamptz)
          on e.fingerprint = decode(told.fingerprint, 'hex')
          or (told.type in ('ended', 'cancelled') and e.type in ('ended', 'cancelled')
            and e.at between told.at - c_clocks_apart and told.at + c_clocks_apart)
          or (e.type = 'started' and e.at between told.started_at - c_clocks_apart and told.started_at + c_clocks_apart)
        where e.job_no = j.job_no) end
  order by h.status = 'open' desc, j.submitted_at desc nulls last, j.job_no desc
  limit 1;
  if found then return v_hold_no; end if;

  select h.hold_no into v_hold_no
  from ledger.decisions d join ledger.holds h on h.hold_no = d.decision_no join ledger.accounts a on a.account_no = h.account_no
  where d.code = 'placed' and d.request ->> 'jobId' = v_job_id and h.cluster_no = v_cluster_no
    and (v_account is null or a.name = v_account)
    and ((p_report ->> 'any_of_its_id')::boolean
      or h.status = 'open' and not exists (select from ledger.jobs j where j.hold_no = h.hold_no))
  order by h.status = 'open' desc, d.decision_no desc
  limit 1;
  return v_hold_no;
end;
$$;
