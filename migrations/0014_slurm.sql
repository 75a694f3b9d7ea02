-- What the hooks inside a Slurm controller need to be told, and what is kept of how they admitted a job.
--
-- Old code may run beside this: it reads none of the new columns, and a job that a hook admitted on its own is to it one
-- without a hold.

alter table ledger.clusters
  add column enforcement text not null default 'enforce' check (enforcement in ('enforce', 'shadow')),
  add column failure_limit_micro bigint check (failure_limit_micro > 0), -- an hour, where failure_policy is open_to_limit
  add column exempt_users text[] not null default '{root}',
  add column without_account text not null default 'deny' check (without_account in ('deny', 'exempt')),
  drop constraint clusters_failure_policy_check,
  add constraint clusters_failure_policy_check check (failure_policy in ('open', 'closed', 'open_to_limit'));
alter table ledger.clusters add constraint clusters_open_to_a_limit check (failure_policy <> 'open_to_limit' or failure_limit_micro is not null);

alter table ledger.partitions
  add column exempt boolean not null default false,
  add column failure_limit_micro bigint check (failure_limit_micro > 0), -- null: the cluster's
  drop constraint partitions_failure_policy_check,
  add constraint partitions_failure_policy_check check (failure_policy in ('open', 'closed', 'open_to_limit'));

-- Submissions that no decision tells of, or not all: exempt ones, those that could not be asked about (no account, an
-- account that Bursar does not know), and what a hook decided alone while the service was away. One row a key.
create table ledger.submissions (
  submission_no bigint generated always as identity primary key,
  cluster_no int not null references ledger.clusters,
  key text collate "C" not null,               -- the hook's, which is stamped on the job
  principal text not null,
  admitted text not null check (admitted in ('exempt', 'denied', 'shadow', 'open', 'open_to_limit', 'closed')),
  code text not null,                          -- why: the code of a refusal, or 'exempt_user', 'service_unavailable', ...
  reason text not null,                        -- the same as a sentence
  account_name text,
  user_name text,
  partition text,
  job_name text,
  cost_micro bigint,                           -- what a hook that priced it itself made of it
  at timestamptz not null,
  recorded_at timestamptz not null default clock_timestamp(),
  constraint submissions_once unique (cluster_no, key)
);
create index submissions_by_time on ledger.submissions (at);

-- Refusals that were not applied, for the report of what would have been denied.
create index decisions_in_shadow on ledger.decisions (decided_at)
  where code <> 'placed' and request ->> 'mode' = 'shadow';

-- The stamp that an event of the job named, so that what is learned of the submission later finds the job.
alter table ledger.jobs add column stamp text collate "C";
create index jobs_by_stamp on ledger.jobs (cluster_no, stamp) where stamp is not null;

-- Why the runs of a hold are followed and metered and cost nothing; null: they cost what they cost.
alter table ledger.holds
  add column uncharged text check (uncharged in ('shadow', 'exempt')),
  add column replaced_by bigint;               -- the hold that the job was moved to when its account or partition was changed
