-- note_submission writes down how a submission was admitted that no decision tells of, once a key: whoever tells of it again
-- changes nothing. Returns whether it was news.
--
-- p_submission: {cluster_no, key, principal, admitted, code, reason, account, user, partition, job_name, cost_micro, held_micro,
--   at, job_id}
create function ledger.note_submission(p_submission jsonb) returns boolean
language plpgsql volatile
as $$
declare
  v_is_news boolean;
begin
  -- Numbered among the decisions, so that a report of both has one order.
  insert into ledger.submissions (
    submission_no, cluster_no, key, principal, admitted, code, reason, account_name, user_name, partition, job_name, cost_micro,
    held_micro, at, job_id)
  overriding system value
  select ledger.next_txn_no(), cluster_no, key, principal, admitted, code, reason, account, "user", partition, job_name, cost_micro,
    held_micro, coalesce(at, clock_timestamp()), job_id
  from jsonb_to_record(p_submission) as s (
    cluster_no int, key text, principal text, admitted text, code text, reason text, account text, "user" text,
    partition text, job_name text, cost_micro bigint, held_micro bigint, at timestamptz, job_id text)
  on conflict do nothing;
  v_is_news := found;
  perform ledger.mark_uncharged((p_submission ->> 'cluster_no')::int, p_submission ->> 'key');
  return v_is_news;
end;
$$;
