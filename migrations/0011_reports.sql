-- What was reported of jobs that no hold is known for, waiting for one, and what ASBX has reported at all. Old code may run
-- beside this: what it binds to a hold takes along no report that waits; the next event of the job does.

-- One row a report: its evidence as it was received, and the events that it amounts to, as ledger.record_events reads them.
create table ledger.unmatched (
  unmatched_no bigint generated always as identity primary key,
  source text not null check (source in ('reconcile', 'epilog', 'asbx')),
  why text not null check (why in ('no_hold', 'several_holds')),
  cluster_no int not null references ledger.clusters,
  job_id text collate "C" not null,
  task text not null default '',
  account_name text,
  user_name text,
  partition text,
  submitted_at timestamptz,
  not_after timestamptz,                       -- a hold that was placed later is not this job's
  cost_micro bigint check (cost_micro >= 0),
  events jsonb not null,
  evidence jsonb not null,
  fingerprint bytea not null,                  -- the same report twice is one report
  received_by text not null,
  received_at timestamptz not null default clock_timestamp(),
  status text not null default 'waiting' check (status in ('waiting', 'applied', 'resolved', 'dismissed')),
  hold_no bigint,                              -- what it was applied to
  reason text,
  closed_by text,
  closed_at timestamptz,
  constraint unmatched_waits_or_was_closed check ((status = 'waiting') = (closed_at is null))
);
create unique index unmatched_waiting_once on ledger.unmatched (cluster_no, job_id, fingerprint) where status = 'waiting';

-- One row a report of ASBX's about a hold, or about no hold where it was only to be recorded.
create table ledger.asbx_reports (
  report_no bigint generated always as identity primary key,
  reconciliation_id text collate "C" not null constraint asbx_reports_are_known_by_id unique,
  cluster_no int not null references ledger.clusters,
  job_id text collate "C" not null,
  task text not null default '',
  hold_no bigint,
  cost_micro bigint not null check (cost_micro >= 0),
  report jsonb not null,                       -- as received
  feedback jsonb not null,                     -- what it says of the estimate and of the job's efficiency
  accuracy numeric check (accuracy between 0 and 1), -- null: there was no estimate, or it is not to be learned from
  status text not null default 'recorded' check (status in ('recorded', 'reconciled', 'refused')),
  took_ms int,
  received_at timestamptz not null default clock_timestamp(),
  constraint asbx_reports_once unique nulls not distinct (cluster_no, job_id, task, hold_no, cost_micro)
);

alter table ledger.changes drop constraint changes_are_of_something;
alter table ledger.changes add constraint changes_are_of_something
  check (subject in ('account', 'limit', 'cluster', 'partition', 'rate', 'key', 'unmatched'));
