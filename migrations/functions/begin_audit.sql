-- begin_audit notes that the caller proves the books now, and returns the audit's number; null where it is not due: somebody is
-- at it, or the last one began less than p_every ago, or took so long that another would make it more than a twentieth of
-- the time (an audit's snapshot and its reading slow everybody else down).
--
-- Two that ask at once get one number. Whoever began and broke off keeps nobody from it for longer than one who is through.
create function ledger.begin_audit(p_every interval) returns bigint
language plpgsql volatile
as $$
declare
  v_last ledger.audits;
  v_audit_no bigint;
begin
  perform pg_advisory_xact_lock(hashtextextended('ledger.audits', 0));
  select * into v_last from ledger.audits where kind = 'books' order by audit_no desc limit 1;
  if found and clock_timestamp() < (case ledger.audit_status(v_last)
      when 'running' then 'infinity'
      when 'finished' then greatest(v_last.started_at + p_every, v_last.finished_at + 19 * (v_last.finished_at - v_last.started_at))
      else v_last.started_at + p_every end)
  then
    return null;
  end if;
  insert into ledger.audits default values returning audit_no into v_audit_no;
  return v_audit_no;
end;
$$;
