-- Who may ask (API keys), and who changed what (the trail of the catalog, widened to everything that is set and not moved).
--
-- Old code may run beside this: it knows no keys, and goes on writing its changes of the catalog through a view that has
-- the old name.

alter table ledger.catalog_changes rename to changes;
alter index ledger.catalog_changes_by_cluster rename to changes_by_cluster;
alter table ledger.changes
  alter column cluster_no drop not null,
  add column subject text not null default 'cluster'
    constraint changes_are_of_something check (subject in ('account', 'limit', 'cluster', 'partition', 'rate', 'key')),
  add column name text;                        -- of the account, the cluster or the key; null: what old code wrote
update ledger.changes ch
set subject = case when action like '%partition' then 'partition' when action like '%rate' then 'rate' else 'cluster' end,
  name = (select c.name from ledger.clusters c where c.cluster_no = ch.cluster_no);
create index changes_by_name on ledger.changes (name, change_no);
create view ledger.catalog_changes as
  select change_no, cluster_no, action, actor, before, after, changed_at from ledger.changes;

create trigger changes_are_written_once before update or delete or truncate on ledger.changes for each statement execute function ledger.refuse_rewriting();

create table ledger.api_keys (
  key_no bigint generated always as identity primary key,
  key_id text not null constraint api_keys_are_known_by_id unique,
  name text not null,                          -- the principal of whoever sends it
  scope text not null constraint api_keys_have_a_scope check (scope in ('admin', 'hook', 'estimate', 'read')),
  cluster_no int references ledger.clusters,
  secret_hash bytea not null constraint api_keys_keep_no_secret check (octet_length(secret_hash) = 32),
  created_by text not null,
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz,
  constraint api_keys_of_hooks_name_their_cluster check ((scope = 'hook') = (cluster_no is not null))
);
create unique index api_keys_one_of_a_name on ledger.api_keys (name) where revoked_at is null;
