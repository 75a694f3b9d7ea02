-- What was begun and not yet answered, and what draw_charge draws while it does. Old code may run beside this; it keeps the
-- answers of its reconciliations in ledger.commands, where nobody looks for them any more: the same cost again finds its charge.

-- An amount that a fund pays for a piece of what was used: from what a hold holds there (h), from its free money (a), or
-- from money that had expired (e).
create type ledger.drawn as (
  piece_no int,
  starts_at timestamptz,
  ends_at timestamptz,
  fund_no bigint,
  source "char",
  amount_micro bigint
);

-- One row a reported cost that somebody settles a hold with. It is written with the event that says so, before any money
-- moves, and answered afterwards: a process that dies between the two leaves something that can be completed.
create table ledger.reconciliations (
  reconciliation_no bigint generated always as identity primary key,
  hold_no bigint not null,
  task text collate "C" not null,              -- '': the whole job
  cost_micro bigint not null,
  corrects text collate "C" not null,          -- '', or which cost it replaces and when: one row a change
  was_open boolean not null,                   -- its holds, as they were before
  was_charged boolean not null,
  held_micro bigint not null,
  answer jsonb,                                -- null until somebody was answered
  begun_at timestamptz not null default clock_timestamp(),
  constraint reconciliations_once unique (hold_no, task, cost_micro, corrects)
);
