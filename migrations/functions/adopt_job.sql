-- adopt_job opens a hold of nothing for a job that runs without one, so that its charges have a story like any other's.
--
-- It is flagged late, passes no limit (there is nothing to limit: no money is held) and takes no lock. Returns its
-- number, or null where the account is unknown. p_uncharged says why its runs cost nothing, where they do not (why_uncharged). Not idempotent: the caller binds the job to it in the same transaction.
create or replace function ledger.adopt_job(
  p_hold_id text, p_account text, p_cluster_no int, p_partition text, p_user text, p_job_id text, p_at timestamptz, p_actor text,
  p_uncharged text default null
) returns bigint
language plpgsql volatile
as $$
declare
  v_account_no bigint;
  v_hold_no bigint;
  v_now timestamptz := clock_timestamp();
begin
  select account_no into v_account_no from ledger.accounts where name = p_account;
  if not found then
    return null;
  end if;
  v_hold_no := ledger.next_txn_no();

  insert into ledger.holds (hold_no, hold_id, account_no, cluster_no, partition, user_name, placed_micro, held_micro, late, uncharged, effective_at, placed_at)
  values (v_hold_no, p_hold_id, v_account_no, p_cluster_no, coalesce(p_partition, (select c.default_partition from ledger.clusters c where c.cluster_no = p_cluster_no), ''), p_user, 0, 0, true, p_uncharged, p_at, v_now);
  insert into ledger.transactions (txn_no, kind, account_no, hold_no, amount_micro, actor, description, effective_at, recorded_at)
  values (v_hold_no, 'hold', v_account_no, v_hold_no, 0, p_actor, 'Job ' || p_job_id || ' runs without a hold; opened late', p_at, v_now);
  insert into ledger.outbox (hold_no, kind) values (v_hold_no, 'start');
  return v_hold_no;
end;
$$;
