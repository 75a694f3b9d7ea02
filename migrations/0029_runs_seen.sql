-- Runs that a log has named so far and that its import does not know otherwise: those of a dry run, and those of earlier imports. Then the
-- same row, met again, is not counted again. Unlogged: emptied before and after, and worth nothing after a crash.
create unlogged table ledger.seen_runs (
  job_id text collate "C" not null,
  submitted_at timestamptz not null,
  started_at timestamptz not null,
  place int not null,                          -- in its piece, when it was named first
  primary key (job_id, submitted_at, started_at)
);
