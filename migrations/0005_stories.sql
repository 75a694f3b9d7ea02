-- Where each job's story stands for Temporal and for the sweep, and how a hold is found from a job. Old code may run beside this.

-- One row a story (a heterogeneous group has its leader's). Small and updated in place; nothing in it moves money.
create table ledger.stories (
  hold_no bigint primary key,                  -- the leader's
  generation int not null default 0,           -- n > 0: the workflow id ends in /g<n>
  told_at timestamptz,                         -- when Temporal was last told to start or ring it
  heard_at timestamptz,                        -- when the story last looked at the ledger
  due_at timestamptz,                          -- when it will look again although nobody rings; null once it is over
  handled_through bigint not null default 0,   -- events up to here have had their resize or correction, done or refused
  shortfall jsonb                              -- what a requeue or a longer time limit lacked, and the account's policy
) with (fillfactor = 70);

-- Rings of one story that nobody has claimed are one ring. A claimed row never becomes unclaimed again (its lease ends),
-- so a ring that arrives during a claim always finds room and is never lost.
create unique index outbox_one_unclaimed_ring on ledger.outbox (hold_no) where kind = 'ring' and leased_until is null;

create index holds_by_group on ledger.holds (group_no) where group_no is not null;

-- A check that named the scheduler's job id can be reconciled by that id alone.
create index decisions_by_job on ledger.decisions ((request ->> 'jobId')) where code = 'placed' and request ->> 'jobId' is not null;

-- A job belongs to one hold, so its events are found through it; a second index on the bulk table would serve nobody.
drop index ledger.job_events_by_hold;
alter table ledger.job_events drop column hold_no;

create index jobs_by_account on ledger.jobs (account_name, job_no) where account_name is not null;
create index jobs_quarantined on ledger.jobs (job_no) where quarantined;
