-- came_late: was the hold opened after the fact? Either for want of one, when a job was heard of that had none; or for a job that
-- a hook let in alone, as of when that was (ledger/slurm/lone-decisions.ts). A check that was answered, only too late for the hook,
-- was in time. One that was closed and is open again for a job that came back holds its money as late.
create function ledger.came_late(p_hold ledger.holds) returns boolean
language sql stable
as $$
  select p_hold.late or p_hold.reopened_at is not null or exists (
    select from ledger.decisions d join ledger.submissions s on s.cluster_no = p_hold.cluster_no and s.key = d.key
    where d.decision_no = coalesce(p_hold.group_no, p_hold.hold_no) and s.admitted in ('open', 'open_to_limit')
      and s.at = p_hold.effective_at)
$$;
