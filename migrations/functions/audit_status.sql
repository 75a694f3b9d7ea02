-- audit_status says what became of an audit: finished, failed, running, or lost, where nothing was heard for a minute of who was at it.
create function ledger.audit_status(p_audit ledger.audits) returns text
language sql volatile
as $$
  select case
    when p_audit.failure is not null then 'failed'
    when p_audit.finished_at is not null then 'finished'
    when p_audit.heard_at > clock_timestamp() - interval '1 minute' then 'running'
    else 'lost'
  end
$$;
