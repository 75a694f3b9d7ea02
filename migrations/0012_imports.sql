-- Books that come from elsewhere: which were imported, by whom, and where each account came from, so that an import that died
-- goes on and one that is repeated changes nothing. Old code may run beside this; it does not look here.

create table ledger.imports (
  import_no bigint generated always as identity primary key,
  source text not null constraint imports_come_from_somewhere check (source in ('asbb', 'accounts')),
  name text not null,                          -- of the database or the file, for people
  settings jsonb not null,                     -- what was asked for: unit, cluster, time zone, corrections
  actor text not null,
  begun_at timestamptz not null,               -- what "now" is for all of it, also when it is resumed days later
  finished_at timestamptz                      -- null: at work, or died
);
create unique index imports_one_at_a_time on ledger.imports (source) where finished_at is null;

create table ledger.imported_accounts (
  account_no bigint primary key references ledger.accounts,
  import_no bigint not null references ledger.imports,
  origin text collate "C" not null,            -- ASBB's number and time of birth; for a file a digest of what it says
  last_id bigint                               -- ASBB's newest transaction of the account, so that later ones are noticed
);
create index imported_accounts_by_import on ledger.imported_accounts (import_no);

-- What is read before anything is booked. Unlogged: filled anew by every run, empty otherwise, and worth nothing after a crash.

create unlogged table ledger.asbb_accounts (
  id bigint primary key,
  name text collate "C" not null,
  title text not null,
  description text,
  limit_micro bigint,                          -- null: beyond what any number of ours can be
  used_micro bigint,
  held_micro bigint,
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  status text not null,
  created_at timestamptz not null
);
create unlogged table ledger.asbb_limits (
  account_id bigint not null,
  partition text collate "C" not null,
  limit_micro bigint,
  primary key (account_id, partition)
);
create unlogged table ledger.asbb_transactions (
  id bigint not null,
  transaction_id text collate "C" not null,
  account_id bigint not null,
  job_id text collate "C",
  type text not null,
  amount_micro bigint,
  description text not null,
  metadata jsonb,
  status text not null,
  parent_id text collate "C",
  created_at timestamptz not null
);
create index asbb_transactions_by_account on ledger.asbb_transactions (account_id, id);
create index asbb_transactions_linked on ledger.asbb_transactions (parent_id) where parent_id is not null;

-- Whatever ASBB keeps that Bursar has no place for yet, by name.
create unlogged table ledger.asbb_left_behind (what text not null, name text not null, detail text not null);

-- What each of ASBB's transactions turned out to be (read_asbb.sql), and how the accounts stand by them.
create unlogged table ledger.asbb_readings (
  id bigint not null,
  account_id bigint not null,
  role text not null,                          -- settled, released, open, closed: a hold; charge, negative; release, refund; void
  hold_id bigint,                              -- of a charge or a release: its hold
  hold_micro bigint,
  charge_id bigint,                            -- of a hold, a release or a refund: its charge
  release_id bigint,                           -- of a charge: the refund that ASBB wrote beside it
  how text,                                    -- linked: ASBB says so; inferred: the amounts say so
  repeats_id bigint,                           -- of a charge: the same cost of the same job, a little earlier
  follows_id bigint,                           -- of a charge: another cost of the same job, a little earlier
  applied_micro bigint not null default 0      -- what it does to the books
);
create index asbb_readings_by_account on ledger.asbb_readings (account_id, id);

create unlogged table ledger.asbb_balances (
  account_id bigint primary key,
  given_micro bigint not null,                 -- by negative charges
  used_micro bigint not null,                  -- charges less refunds, negative charges included: what ASBB should say
  repeated_micro bigint not null,
  open_micro bigint not null,
  closed_micro bigint not null,
  last_id bigint,
  rows bigint not null
);

create unlogged table ledger.asbb_findings (
  account_id bigint not null,
  kind text not null,
  transaction_id text,
  job_id text,
  at timestamptz,
  amount_micro bigint,
  detail text not null
);

-- A file of accounts, as it is read line by line.
create unlogged table ledger.account_rows (
  line bigint not null,
  name text collate "C" not null,
  title text not null,
  description text,
  unit text not null,
  time_zone text not null,
  status text not null,
  limit_micro bigint not null,
  used_micro bigint not null,
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  parent text collate "C",
  subtree_limit_micro bigint,
  overdraft_micro bigint,
  origin text collate "C" not null
);
create unlogged table ledger.account_limit_rows (
  line bigint not null,
  name text collate "C" not null,
  partition text collate "C",
  user_name text collate "C",
  limit_micro bigint not null
);
-- Where each new account will stand, parents before children.
create unlogged table ledger.account_places (
  place bigint primary key,
  line bigint not null,
  account_no bigint not null unique,
  parent_no bigint,
  root_no bigint not null,
  ancestors bigint[] not null
);
