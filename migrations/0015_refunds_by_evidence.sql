-- What a run gets back because of how it ended, the record that says so, and who is to be told. Old code may run beside
-- this: it gives nothing back by itself, until the stories of its jobs look again.

alter table ledger.clusters
  add column refund_node_fail text not null default 'none' check (refund_node_fail in ('none', 'whole', 'lost_time')),
  add column refund_boot_fail text not null default 'none' check (refund_boot_fail in ('none', 'whole', 'lost_time')),
  add column refund_preempted text not null default 'none' check (refund_preempted in ('none', 'whole', 'lost_time')),
  add column refund_admin_cancel text not null default 'none' check (refund_admin_cancel in ('none', 'whole', 'lost_time')),
  -- What lost_time gives back at most: jobs are taken to save their state this often.
  add column refund_lost_time_seconds int not null default 3600 check (refund_lost_time_seconds > 0);

-- Why a refund was made by itself. One that a person made has no row here.
create table ledger.run_refunds (
  refund_no bigint primary key,                -- the txn_no of the refund
  refund_key text collate "C" not null unique, -- the run's key and how many of its refunds there were before
  charge_no bigint not null,
  reason text not null check (reason in ('node_fail', 'boot_fail', 'preempted', 'admin_cancel')),
  policy text not null check (policy in ('whole', 'lost_time')),
  event_no bigint not null                     -- the record that is the evidence
);
create index run_refunds_by_charge on ledger.run_refunds (charge_no);
create trigger run_refunds_are_written_once before update or delete or truncate on ledger.run_refunds for each statement execute function ledger.refuse_rewriting();

-- Who is to be told of a refund; written in the transaction that gives the money back, and worked off by the worker.
create table ledger.notices (
  notice_no bigint generated always as identity primary key,
  refund_no bigint not null unique,
  user_name text collate "C" not null,
  status text not null default 'waiting' check (status in ('waiting', 'sent', 'given_up')),
  created_at timestamptz not null default clock_timestamp(),
  address text,                                -- where it was sent, or is tried to be
  attempts int not null default 0,
  last_error text,
  closed_at timestamptz,
  constraint notices_closed_say_when check ((status = 'waiting') = (closed_at is null))
);
create index notices_waiting on ledger.notices (notice_no) where status = 'waiting';

create index transactions_refunds on ledger.transactions (txn_no) where kind = 'refund';
