-- What schedulers showed when they were last asked for their queue and their accounting, and the open holds that no listing
-- has shown a job for. Old code may run beside this: it does not look here, and gives nothing back for it.

-- One row a cluster whose scheduler was ever asked, or whose relay sent what it was told.
create table ledger.scheduler_looks (
  cluster_no int primary key references ledger.clusters,
  begun_at timestamptz not null default clock_timestamp(), -- what was submitted before, and is not stamped, is not ours
  listed_at timestamptz,                       -- the moment of the last whole listing, by the database's clock
  taken_at timestamptz,                        -- the same, by the clock of whoever took it
  listed_jobs int,
  accounted_at timestamptz,                    -- when the accounting was last heard
  accounted_since timestamptz,                 -- since when it has been heard without a gap
  failed_at timestamptz,                       -- the last look that failed; null: none has since
  failure text
);

-- Small: a hold that is seen again, or closed, is taken out by the next listing.
create table ledger.unseen_holds (
  hold_no bigint primary key,
  cluster_no int not null references ledger.clusters,
  tasks_left int not null,                     -- what there still is of it: 0, or how many tasks of its array
  since timestamptz not null,                  -- the first listing without it, by the database's clock
  seen_until timestamptz                       -- the listing before that, by the cluster's; null: it was the first
);
create index unseen_holds_by_cluster on ledger.unseen_holds (cluster_no);
