-- What a row of an accounting log is evidence of, and of which time. Old code may run beside this: it writes the number of an event
-- as before, and what it imports of resized jobs meanwhile is read again by the next import.

-- A refund whose evidence is a row and not an event: the log is not kept, so the transaction's metadata has what it said.
alter table ledger.run_refunds alter column event_no drop not null;

-- Of a job that was resized the last row was taken for all of its time. It is about the time since the moment that it names as its
-- submission; the rows of the time before come with the next import of the log.
update ledger.imported_clusters c
set stale_from = least(c.stale_from, wrong.starts_at), stale_until = greatest(c.stale_until, wrong.ends_at)
from (
  select cluster_no, min(started_at) as starts_at, max(ended_at) as ends_at
  from ledger.imported_runs
  where started_at < submitted_at and submitted_at <= ended_at and charge_no is null
  group by cluster_no) wrong
where c.cluster_no = wrong.cluster_no;

update ledger.imported_runs
set started_at = submitted_at,
  active_micros = least(active_micros, round(date_part('epoch', ended_at - submitted_at) * 1000000)::bigint)
where started_at < submitted_at and submitted_at <= ended_at and charge_no is null;

-- The latest change of a job (scontrol update) that its hold follows, by when the controller decided it. One that a hook decided
-- alone before that comes too late to change anything. Old code writes none, and takes what comes as it comes.
create table ledger.last_changes (
  cluster_no int not null,
  job_id text collate "C" not null,
  task text collate "C" not null,              -- of an array; '': the whole job
  submitted_at timestamptz not null,           -- -infinity: nobody has said
  decided_at timestamptz not null,
  key text collate "C" not null,               -- the change's own
  primary key (cluster_no, job_id, task, submitted_at)
);
