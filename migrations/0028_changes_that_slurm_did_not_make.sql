-- Records of a job say whether Slurm has made a change that moved its hold: from a hold to the one before it. And one task of an
-- array may be changed by itself: it gets a hold of its own, beside that of its array. Old code may run beside this, but for
-- changes of jobs: meanwhile its hooks decide them by the failure policy.
alter table ledger.holds
  add column split_from bigint,    -- the hold of the array whose task it is for
  add column split_micro bigint;   -- what that one gave back for it
create index holds_by_replacement on ledger.holds (replaced_by) where replaced_by is not null;
