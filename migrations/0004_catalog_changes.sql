-- Who changed a cluster, a partition or a rate, when, and to what. Prices decide what people pay, so a change of them is
-- as visible as a movement. Old code may run beside this: it only does not write here.

create table ledger.catalog_changes (
  change_no bigint generated always as identity primary key,
  cluster_no int not null,
  action text not null,                        -- what was asked, e.g. 'set_rate'
  actor text not null,
  before jsonb,                                -- null: it is new
  after jsonb,                                 -- null: it is gone
  changed_at timestamptz not null default clock_timestamp()
);
create index catalog_changes_by_cluster on ledger.catalog_changes (cluster_no, change_no);
