-- What ran before Bursar was asked, from the accounting of the scheduler (sacct): who used what and when, without money. Old code may
-- run beside this; its reports leave these runs out, and a run that it charges is counted twice until the next import of it.

alter table ledger.imports drop constraint imports_come_from_somewhere;
alter table ledger.imports add constraint imports_come_from_somewhere check (source in ('asbb', 'accounts', 'sacct'));

-- One row a run. Once the same run has a charge (it came by events too, or was charged late), the charge is what reports count.
create table ledger.imported_runs (
  cluster_no int not null,
  job_id text collate "C" not null,            -- 123, 123_4 of an array; of a heterogeneous job's component its own, or 123+1
  submitted_at timestamptz not null,           -- ids recycle, jobs are requeued: all four make the run
  started_at timestamptz not null,
  ended_at timestamptz not null,
  account_no bigint not null,
  partition text collate "C",
  user_name text collate "C",
  end_state text collate "C" not null,
  nodes numeric not null,
  cpus numeric not null,
  gpus numeric not null,
  memory_mib numeric not null,                 -- zero: nobody has said
  active_micros bigint not null,               -- its time, less what it was suspended for
  charge_no bigint,
  import_no bigint not null,
  other_id text collate "C",                  -- of a component, the other of its two names
  primary key (cluster_no, job_id, submitted_at, started_at),
  constraint imported_runs_end_after_they_start check (ended_at >= started_at),
  constraint imported_runs_are_counts check (nodes >= 0 and cpus >= 0 and gpus >= 0 and memory_mib >= 0 and active_micros >= 0)
);
create index imported_runs_by_charge on ledger.imported_runs (charge_no) where charge_no is not null;
create index imported_runs_by_other_id on ledger.imported_runs (cluster_no, other_id) where other_id is not null;
-- They come in about the order of their times. Plain minmax, for the other kind made keeping a run a sixth dearer.
create index imported_runs_by_time on ledger.imported_runs
  using brin (started_at, ended_at) with (pages_per_range = 32);

-- Pieces of logs of which nothing is left to do, by a digest of what they say and how they were read: a run that died goes on behind
-- them, and the same log again is passed over.
create table ledger.imported_chunks (
  cluster_no int not null,
  digest bytea not null,
  counts jsonb not null,                       -- what its rows were
  import_no bigint not null references ledger.imports,
  primary key (cluster_no, digest)
);

-- A piece of a log while it is looked at. Unlogged: emptied before and after, and worth nothing after a crash.
create unlogged table ledger.run_rows (
  place int not null,                          -- in its piece
  job_id text collate "C" not null,
  other_id text collate "C",
  submitted_at timestamptz not null,
  started_at timestamptz not null,
  ended_at timestamptz not null,
  account_no bigint not null,
  partition text collate "C",
  user_name text collate "C",
  end_state text collate "C" not null,
  nodes bigint not null,                       -- whole counts become numeric in a fifth of the time that a float takes
  cpus bigint not null,
  gpus bigint not null,
  memory_mib float8 not null,
  active_micros bigint not null
);
