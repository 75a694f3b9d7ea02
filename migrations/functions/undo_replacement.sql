-- undo_replacement gives a job back to the account that pays for it, where its hold was moved to another one and Slurm did
-- not make the change after all: the hold that was placed for the change is released, and the job gets a late one of as much as
-- its first gave back, or as much of that as may still be held. Without this, whoever names a stranger's account in an update
-- that Slurm refuses would run at the stranger's expense, and whoever names a cheaper partition with hardly anything held.
--
-- p_hold_no is the hold that it had before the change, or before several of them (hold_before_change). Returns the hold that the
-- job has now. Nothing happens where that of the change has paid for a run. The caller holds the advisory lock of (cluster, job id) and the trees of both accounts, and rings the
-- story of the hold that the job had.
create function ledger.undo_replacement(
  p_job_no bigint, p_hold_no bigint, p_new_hold_id text, p_at timestamptz, p_actor text
) returns bigint
language plpgsql volatile
as $$
declare
  v_job ledger.jobs;
  v_old ledger.holds;
  v_wrong ledger.holds;
  v_account text;
  v_new_no bigint;
  v_amount bigint;
  v_is_split boolean;
  v_answer jsonb;
begin
  select * into strict v_job from ledger.jobs where job_no = p_job_no;
  select * into strict v_old from ledger.holds where hold_no = p_hold_no;
  select * into strict v_wrong from ledger.holds where hold_no = v_job.hold_no;
  if exists (select from ledger.charges where hold_no = v_wrong.hold_no) then
    return v_job.hold_no;
  end if;
  select name into strict v_account from ledger.accounts where account_no = v_old.account_no;
  v_new_no := ledger.adopt_job(
    p_new_hold_id, v_account, v_old.cluster_no, v_old.partition, v_old.user_name, v_job.job_id, p_at, p_actor,
    v_old.uncharged);
  update ledger.jobs set hold_no = v_new_no, account_name = v_account where hold_no = v_wrong.hold_no;
  select s.split_micro into v_amount from ledger.holds s
  where s.split_from = v_old.hold_no and ledger.standing_hold(s.hold_no) = v_wrong.hold_no;
  v_is_split := found;
  -- That of an array stays the array's.
  if not v_is_split then
    update ledger.holds set replaced_by = v_new_no where hold_no = v_old.hold_no;
  end if;
  perform ledger.release_rest(
    v_wrong.hold_no, 'Slurm did not change the job', p_actor, clock_timestamp(), clock_timestamp());

  if not v_is_split then
    select coalesce(sum(amount_micro), 0) into v_amount
    from ledger.transactions where hold_no = v_old.hold_no and kind = 'release';
  end if;
  v_answer := ledger.resize_hold(p_new_hold_id, v_amount, 'Held again: Slurm did not change the job', p_actor, null, null);
  if v_answer #>> '{refusal,affordable}' is not null then
    perform ledger.resize_hold(
      p_new_hold_id, (v_answer #>> '{refusal,affordable}')::bigint, 'Held again, as far as the money goes', p_actor, null, null);
  end if;
  return v_new_no;
end;
$$;
