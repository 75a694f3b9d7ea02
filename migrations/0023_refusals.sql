-- Changes of a job that were refused, so that its story can tell of them: Slurm shows the user no text there. And what finds
-- the refusals of hooks by their time. Old code may run beside this.
alter table ledger.submissions add column job_id text collate "C"; -- of a change; a submission has none yet
create index submissions_by_job on ledger.submissions (cluster_no, job_id) where job_id is not null;
create index decisions_enforced on ledger.decisions (decided_at)
  where code <> 'placed' and request ->> 'mode' = 'enforce';
