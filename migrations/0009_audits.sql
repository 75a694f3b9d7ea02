-- When the books were proved, and what came of it: shared by all processes of a site, so that none proves what another just
-- has. An audit reads everything. Old code may run beside this; it only proves more often.

create table ledger.audits (
  audit_no bigint generated always as identity primary key,
  started_at timestamptz not null default clock_timestamp(),
  finished_at timestamptz,                     -- null: somebody is at it, or died
  report jsonb
);
