-- The ledger: accounts and their dated funds, limits, holds, transactions with double entries, jobs, outbox, seals.
--
-- Every amount is a bigint of millionths of the account's unit, in a column that ends in _micro (rulings 1). Rows of
-- transactions, entries, decisions, charges, job_events and seals are written once and never changed. Balances are kept
-- in account_totals, funds, limits and holds by the functions in migrations/functions, and proved from the entries by
-- ledger.audit(). There are no foreign keys from the bulk tables (hold_parts, entries, transactions, decisions, outbox):
-- they cost 70 % of the throughput of admission, one function writes all of them, and the audit proves the same.

create schema ledger;

-- Catalog: where jobs run and what that costs -------------------------------------------------------------------------

create table ledger.clusters (
  cluster_no int generated always as identity primary key,
  name text collate "C" not null unique constraint clusters_have_a_usable_name check (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
  time_zone text not null,
  default_partition text,
  failure_policy text not null default 'closed' check (failure_policy in ('open', 'closed')),
  cost_source text not null default 'usage' check (cost_source in ('usage', 'reported')),
  unpriced text not null default 'deny' check (unpriced in ('deny', 'allow')),
  price_preset text not null default 'asbb-compat' check (price_preset in ('asbb-compat', 'none')),
  hold_multiplier_micro bigint not null default 1200000 check (hold_multiplier_micro > 0),
  hold_cap_micro bigint check (hold_cap_micro > 0),
  minimum_charge_micro bigint not null default 0 check (minimum_charge_micro >= 0),
  end_grace_seconds int not null default 300 check (end_grace_seconds >= 0),
  reconciliation_timeout_seconds int not null default 86400 check (reconciliation_timeout_seconds > 0),
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp()
);

create table ledger.partitions (
  cluster_no int not null references ledger.clusters,
  name text collate "C" not null,
  max_time_seconds bigint check (max_time_seconds > 0),
  default_time_seconds bigint check (default_time_seconds > 0),
  queue_weight_micro bigint not null default 1000000 check (queue_weight_micro >= 0),
  cost_source text check (cost_source in ('usage', 'reported')),
  failure_policy text check (failure_policy in ('open', 'closed')),
  primary key (cluster_no, name)
);

-- A range of one text, so that an exclusion constraint can say "the same resource" without an extension.
create type ledger.text_range as range (subtype = text, collation = "C");

create table ledger.rates (
  rate_no bigint generated always as identity primary key,
  cluster_no int not null references ledger.clusters,
  partition text collate "C",                  -- null: every partition that has no rate of its own
  resource text collate "C" not null constraint rates_name_a_resource check (resource ~ '^(node|cpu|mem|gpu|gpu:[a-z0-9_.-]+)$'),
  unit text not null,                          -- a currency (price) or a service unit (su_per_unit)
  rate_micro bigint not null check (rate_micro >= 0), -- per resource-hour; memory is per GiB-hour
  starts_at timestamptz not null,
  ends_at timestamptz not null default 'infinity',
  source text not null,
  created_at timestamptz not null default clock_timestamp(),
  constraint rates_have_a_duration check (ends_at > starts_at),
  constraint rates_never_overlap exclude using gist (
    int4range(cluster_no, cluster_no, '[]') with &&,
    ledger.text_range(coalesce(partition, ''), coalesce(partition, ''), '[]') with &&,
    ledger.text_range(resource, resource, '[]') with &&,
    ledger.text_range(unit, unit, '[]') with &&,
    tstzrange(starts_at, ends_at) with &&
  )
);

-- Bumped whenever a cluster, partition or rate changes, so that a process that prices from memory can tell that it is
-- out of date inside the very transaction that holds the money.
create table ledger.catalog_version (
  only_row boolean primary key default true check (only_row),
  version bigint not null default 1
);
insert into ledger.catalog_version default values;

create function ledger.bump_catalog_version() returns trigger language plpgsql as $$
begin
  update ledger.catalog_version set version = version + 1;
  return null;
end;
$$;
create trigger clusters_bump_catalog after insert or update or delete on ledger.clusters for each statement execute function ledger.bump_catalog_version();
create trigger partitions_bump_catalog after insert or update or delete on ledger.partitions for each statement execute function ledger.bump_catalog_version();
create trigger rates_bump_catalog after insert or update or delete on ledger.rates for each statement execute function ledger.bump_catalog_version();

-- Accounts, funds, limits ---------------------------------------------------------------------------------------------

create table ledger.accounts (
  account_no bigint generated always as identity primary key,
  name text collate "C" not null unique constraint accounts_have_a_usable_name check (name ~ '^[^\s/][^/]{0,63}$'),
  title text not null,
  description text not null default '',
  unit text not null,                          -- immutable (rulings 1)
  time_zone text not null default 'UTC',
  status text not null default 'active' check (status in ('active', 'inactive', 'suspended')),
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  parent_no bigint references ledger.accounts,
  root_no bigint not null,                     -- the account itself where it has no parent
  ancestors bigint[] not null default '{}',    -- parent first, root last
  on_exhaustion text not null default 'deny' check (on_exhaustion in ('deny', 'overdraft')),
  overdraft_limit_micro bigint not null default 0 check (overdraft_limit_micro >= 0),
  on_requeue_shortfall text not null default 'run_on' check (on_requeue_shortfall in ('run_on', 'hold_job', 'cancel')),
  hold_multiplier_micro bigint check (hold_multiplier_micro > 0), -- null: the cluster's
  overspent_at timestamptz,                    -- set when a charge went beyond funds and overdraft limit
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  archived_at timestamptz,
  constraint accounts_end_after_they_start check (ends_at > starts_at)
);
create index accounts_by_parent on ledger.accounts (parent_no) where parent_no is not null;

-- One row an account; the root's row is the mutex of its tree: every writer locks it first (for no key update).
create table ledger.account_totals (
  account_no bigint primary key references ledger.accounts,
  granted_micro bigint not null default 0,     -- sum over funds: what came in, less what left or expired
  settled_micro bigint not null default 0,
  held_micro bigint not null default 0,
  subtree_settled_micro bigint not null default 0, -- this account and everything below it
  subtree_held_micro bigint not null default 0,
  subtree_limit_micro bigint check (subtree_limit_micro >= 0), -- null: the money it was ever given, if any
  has_children boolean not null default false,
  was_funded boolean not null default false,
  constraint account_totals_are_amounts check (held_micro >= 0 and settled_micro >= 0 and subtree_settled_micro >= settled_micro and subtree_held_micro >= held_micro)
) with (fillfactor = 50);

create table ledger.funds (
  fund_no bigint generated always as identity primary key,
  fund_id text collate "C" not null unique,
  account_no bigint not null references ledger.accounts,
  source text not null check (source in ('base', 'manual', 'transfer', 'allocation', 'grant_period', 'carry_forward', 'overdraft')),
  label text not null default '',
  opens_at timestamptz not null,
  closes_at timestamptz not null,
  granted_micro bigint not null default 0,     -- net of withdrawals, transfers out and expiry
  settled_micro bigint not null default 0,
  held_micro bigint not null default 0,
  created_at timestamptz not null default clock_timestamp(),
  constraint funds_close_after_they_open check (closes_at > opens_at),
  constraint funds_are_amounts check (granted_micro >= 0 and settled_micro >= 0 and held_micro >= 0),
  constraint funds_never_overcommitted check (source = 'overdraft' or granted_micro >= settled_micro + held_micro)
) with (fillfactor = 50);
create index funds_by_expiry on ledger.funds (account_no, closes_at, fund_no);
-- Every account has exactly one base fund (its own window) and one overdraft fund (no window, nothing granted).
create unique index funds_one_base_and_one_overdraft on ledger.funds (account_no, source) where source in ('base', 'overdraft');

-- Caps on settled + held within an account: for a partition, a user, or a user in a partition. user_name '*' is a
-- template: it caps each user who has no row of his own, by a row made at his first hold.
create table ledger.limits (
  limit_no bigint generated always as identity primary key,
  account_no bigint not null references ledger.accounts,
  partition text collate "C",
  user_name text collate "C",
  limit_micro bigint not null check (limit_micro >= 0),
  opens_at timestamptz,                        -- null: the account's window
  closes_at timestamptz,
  settled_micro bigint not null default 0,
  held_micro bigint not null default 0,
  from_template boolean not null default false,
  constraint limits_name_what_they_limit check (partition is not null or user_name is not null),
  constraint limits_are_amounts check (settled_micro >= 0 and held_micro >= 0),
  constraint limits_once unique nulls not distinct (account_no, partition, user_name)
) with (fillfactor = 50);

-- Movements -----------------------------------------------------------------------------------------------------------

-- Numbers of transactions and decisions. Drawn only after the transaction has an xid (ledger.next_txn_no), so that a
-- sealer that sees no older transaction running knows that no smaller number can still appear.
create sequence ledger.txn_numbers cache 1;

-- Commands other than checks: one row a key, with the transaction it made.
create table ledger.commands (
  principal text collate "C" not null,
  operation text collate "C" not null,
  key text collate "C" not null,
  body_hash bytea not null,
  answer jsonb not null,                       -- what the first call returned: ids and amounts
  recorded_at timestamptz not null default clock_timestamp(),
  primary key (key, operation, principal)
);

-- Every budget check that was decided, placed or refused, with the answer as it was given.
create table ledger.decisions (
  decision_no bigint primary key,              -- the hold_no where a hold was placed
  principal text collate "C" not null,
  key text collate "C",
  body_hash bytea,
  account_no bigint not null,
  code text not null,                          -- 'placed', or the fault code of the refusal
  request jsonb not null,
  answer jsonb not null,
  effective_at timestamptz not null,
  decided_at timestamptz not null
);
create unique index decisions_once_per_key on ledger.decisions (key, principal) where key is not null;

create table ledger.holds (
  hold_no bigint primary key,                  -- the txn_no of the transaction that placed it
  hold_id text collate "C" not null unique,
  account_no bigint not null,
  cluster_no int not null,
  partition text collate "C" not null,
  user_name text collate "C",
  group_no bigint,                             -- heterogeneous jobs: the hold_no of the first component
  status text not null default 'open' check (status in ('open', 'settled', 'released')),
  placed_micro bigint not null,                -- what was held at first
  held_micro bigint not null,                  -- what is held now; zero once closed
  charged_micro bigint not null default 0,     -- all charges, beyond the hold included
  released_micro bigint not null default 0,
  late boolean not null default false,         -- opened after the fact, for a job that had none
  overdue_at timestamptz,                      -- nobody can say what became of the job
  effective_at timestamptz not null,
  placed_at timestamptz not null,
  closed_at timestamptz,
  constraint holds_are_amounts check (placed_micro >= 0 and held_micro >= 0 and charged_micro >= 0 and released_micro >= 0),
  constraint holds_closed_hold_nothing check (status = 'open' or (held_micro = 0 and closed_at is not null))
) with (fillfactor = 70);
create index holds_open_by_account on ledger.holds (account_no) where status = 'open';

-- What a hold holds, fund by fund. hold = sum of its parts.
create table ledger.hold_parts (
  hold_no bigint not null,
  fund_no bigint not null,
  held_micro bigint not null check (held_micro >= 0),
  primary key (hold_no, fund_no)
) with (fillfactor = 70);

create table ledger.transactions (
  txn_no bigint primary key,
  transaction_id text collate "C",             -- null for a hold, whose id is its hold's
  kind text not null check (kind in ('deposit', 'withdrawal', 'transfer', 'hold', 'resize', 'charge', 'release', 'refund', 'adjustment', 'expiry')),
  account_no bigint not null,
  hold_no bigint,
  charge_no bigint,                            -- the charge that a refund or an adjustment is about
  amount_micro bigint not null,                -- as the kind says it: positive but for adjustments and resizes
  actor text not null,
  description text not null default '',
  metadata jsonb,
  effective_at timestamptz not null,           -- when it happened
  recorded_at timestamptz not null             -- when it was written
);
create unique index transactions_by_id on ledger.transactions (transaction_id) where transaction_id is not null;
create index transactions_by_account on ledger.transactions (account_no, txn_no);
create index transactions_by_hold on ledger.transactions (hold_no, txn_no) where hold_no is not null and kind <> 'hold';
create index transactions_by_charge on ledger.transactions (charge_no, txn_no) where charge_no is not null;

-- Books: a available, h held, s settled, e expired, x outside. The lines of a transaction sum to zero.
create table ledger.entries (
  txn_no bigint not null,
  line_no smallint not null,
  account_no bigint not null,                  -- differs from the transaction's in the other half of a transfer
  fund_no bigint not null,
  book "char" not null check (book in ('a', 'h', 's', 'e', 'x')),
  amount_micro bigint not null,
  primary key (txn_no, line_no)
);

-- One row a run that was charged (rulings 11). A run is (cluster, job id, submit time, start time).
create table ledger.charges (
  charge_no bigint primary key,                -- the txn_no of the charge
  run_key text collate "C" not null unique,
  account_no bigint not null,
  hold_no bigint,
  cluster_no int not null,
  job_id text not null,
  partition text collate "C",
  user_name text collate "C",
  source text not null check (source in ('usage', 'reported', 'provisional')),
  amount_micro bigint not null check (amount_micro >= 0), -- as first charged; corrections are adjustments
  adjusted_micro bigint not null default 0,    -- sum of adjustments
  refunded_micro bigint not null default 0 check (refunded_micro >= 0),
  corrected_by_report boolean not null default false, -- a reported cost has replaced the provisional one
  reported_numeral text,                       -- the cost as the machine wrote it
  started_at timestamptz,
  ended_at timestamptz,
  usage jsonb,
  constraint charges_never_refunded_beyond_themselves check (refunded_micro <= amount_micro + adjusted_micro)
);
create index charges_by_hold on ledger.charges (hold_no) where hold_no is not null;
create index charges_by_account on ledger.charges (account_no, charge_no);

-- A charge cut at days, rates, periods and funds: what was used when. The pieces of a charge sum to it (rulings 4).
create table ledger.charge_pieces (
  txn_no bigint not null,                      -- the charge, or the adjustment that added to it
  piece_no smallint not null,
  charge_no bigint not null,
  fund_no bigint not null,
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  amount_micro bigint not null,
  primary key (txn_no, piece_no)
);
create index charge_pieces_by_charge on ledger.charge_pieces (charge_no);

-- Jobs and their events -----------------------------------------------------------------------------------------------

create table ledger.jobs (
  job_no bigint generated always as identity primary key,
  cluster_no int not null references ledger.clusters,
  job_id text collate "C" not null,            -- the scheduler's; an array's base id
  submitted_at timestamptz,                    -- ids recycle: with it, a job is one job
  hold_no bigint,
  account_name text,
  user_name text,
  partition text,
  name text,
  state text not null default 'pending',       -- what the recorded events say; domain/story.ts names the states
  quarantined boolean not null default false,
  first_seen_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  constraint jobs_once unique nulls not distinct (cluster_no, job_id, submitted_at)
);
create index jobs_by_hold on ledger.jobs (hold_no) where hold_no is not null;

create table ledger.job_events (
  event_no bigint generated always as identity primary key,
  job_no bigint not null,
  hold_no bigint,
  type text not null,
  task text not null default '',               -- array task or heterogeneous component
  at timestamptz not null,
  recorded_at timestamptz not null default clock_timestamp(),
  facts jsonb not null,
  fingerprint bytea not null,                  -- the same event twice is one event
  constraint job_events_once unique (job_no, fingerprint)
);
create index job_events_by_hold on ledger.job_events (hold_no, event_no) where hold_no is not null;

-- Outbox: what Temporal is to be told -----------------------------------------------------------------------------------

create table ledger.outbox (
  outbox_no bigint generated always as identity primary key,
  hold_no bigint not null,
  kind text not null check (kind in ('start', 'ring')),
  generation int not null default 0,           -- n > 0: the workflow id gets /g<n>, the earlier one is used up
  created_at timestamptz not null default clock_timestamp(),
  leased_until timestamptz,
  attempts int not null default 0
);
create index outbox_by_hold on ledger.outbox (hold_no);

-- Seals: the hash chain over transactions and their entries ---------------------------------------------------------------

create table ledger.seals (
  txn_no bigint primary key,
  digest bytea not null                        -- sha256(previous digest, this transaction and its entries)
);
create table ledger.seal_fence (
  only_row boolean primary key default true check (only_row),
  txn_no bigint not null default 0,            -- every number up to here had been drawn ...
  xid xid8 not null default '0'                -- ... by transactions below this one
);
insert into ledger.seal_fence default values;
