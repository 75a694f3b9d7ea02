-- Imported runs added up by day, so that a report over years of them reads days, not runs. Figured anew by an import for the days that
-- it touched; old code may run beside this, does not look here, and marks nothing: reports read the runs until the next import.

-- Whose days they are, and which time has changed since they were added up. Days count only while nothing is stale.
create table ledger.imported_clusters (
  cluster_no int primary key references ledger.clusters,
  time_zone text not null,
  stale_from timestamptz,
  stale_until timestamptz
);

create table ledger.imported_days (
  cluster_no int not null,
  on_day date not null,                        -- in the zone of imported_clusters
  account_no bigint not null,
  partition text collate "C",
  user_name text collate "C",
  jobs bigint not null,                        -- that ended on it
  cpu_micros numeric not null,                 -- counts times microseconds
  gpu_micros numeric not null,
  node_micros numeric not null,
  mib_micros numeric not null,
  constraint imported_days_once unique nulls not distinct (cluster_no, on_day, account_no, partition, user_name)
);
