-- What a run used, as times and resources, so that its hours can be cut at the days of any zone; and what finds usage by its
-- time. Old code may run beside this: the runs that it charges have money but no hours, until their stories look again.

-- The slices of a run: within one nothing changes. They end where a resize or a suspension begins.
create table ledger.usage_slices (
  charge_no bigint not null,
  slice_no smallint not null,
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  nodes numeric not null,                      -- counts as they were said; a part of a GPU is a count too
  cpus numeric not null,
  gpus numeric not null,
  memory_mib numeric not null,                 -- zero: nobody has said
  active_micros bigint not null,               -- its time, less what it was suspended for and nobody knows when
  primary key (charge_no, slice_no),
  constraint usage_slices_have_a_duration check (ends_at > starts_at),
  constraint usage_slices_are_counts check (nodes >= 0 and cpus >= 0 and gpus >= 0 and memory_mib >= 0 and active_micros >= 0)
);
create trigger usage_slices_are_written_once before update or delete or truncate on ledger.usage_slices for each statement execute function ledger.refuse_rewriting();

-- Beside ended_at, which is sealed with the charge and cannot be made known later.
alter table ledger.charges add column metered_until timestamptz; -- the end of its slices; null: it has none

-- Both tables grow in about the order of their times, so that a few bytes for each stretch of rows say which to read. The
-- multi-range classes bear the odd refund of last year in the middle of this week.
create index charge_pieces_by_time on ledger.charge_pieces
  using brin (starts_at timestamptz_minmax_multi_ops, ends_at timestamptz_minmax_multi_ops) with (pages_per_range = 32);
create index usage_slices_by_time on ledger.usage_slices
  using brin (starts_at timestamptz_minmax_multi_ops, ends_at timestamptz_minmax_multi_ops) with (pages_per_range = 32);
