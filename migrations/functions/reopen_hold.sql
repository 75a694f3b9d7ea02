-- reopen_hold opens a hold that was closed, holding nothing, for a job that was taken to be over and that the scheduler has again; it
-- counts as late from then on (came_late). A hold that is open, or whose place another one has taken, stays as it is. The caller
-- holds the lock of the account's tree, and resizes it in the same transaction.
create function ledger.reopen_hold(p_hold_id text, p_now timestamptz) returns void
language sql volatile
as $$
  update ledger.holds
  set status = 'open', closed_at = null, reopened_at = p_now
  where hold_id = p_hold_id and status <> 'open' and replaced_by is null
$$;
