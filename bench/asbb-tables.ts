/** The tables of ASBB v0.2.0 (schema version 3) with the trigger that keeps its balances, for tests and for the import's benchmark. */
export const ASBB_TABLES = `
  create table schema_migrations (version bigint primary key, dirty boolean not null);
  insert into schema_migrations values (3, false);
  create table budget_accounts (
    id bigserial primary key, slurm_account varchar(64) not null unique, name varchar(255) not null, description text,
    budget_limit decimal(12,2) not null check (budget_limit >= 0),
    budget_used decimal(12,2) not null default 0 check (budget_used >= 0),
    budget_held decimal(12,2) not null default 0 check (budget_held >= 0),
    start_date timestamptz not null, end_date timestamptz not null, status varchar(32) not null default 'active'
      check (status in ('active', 'inactive', 'suspended', 'expired')),
    created_at timestamptz not null default now(), updated_at timestamptz not null default now(),
    has_incremental_budget boolean default false, next_allocation_date timestamptz, total_allocated decimal(12,2) default 0,
    grant_id bigint, grant_budget_period_id bigint, is_grant_funded boolean default false, check (end_date > start_date));
  create table budget_partition_limits (
    id bigserial primary key, account_id bigint not null references budget_accounts on delete cascade,
    partition varchar(64) not null, limit_amount decimal(12,2) not null, used_amount decimal(12,2) not null default 0,
    held_amount decimal(12,2) not null default 0, created_at timestamptz default now(), updated_at timestamptz default now(),
    unique (account_id, partition));
  create table budget_transactions (
    id bigserial primary key, transaction_id varchar(128) not null unique,
    account_id bigint not null references budget_accounts on delete cascade, job_id varchar(128),
    type varchar(32) not null check (type in ('hold', 'charge', 'refund', 'adjustment')), amount decimal(12,2) not null,
    description text not null, metadata jsonb, status varchar(32) not null default 'pending',
    parent_transaction_id varchar(128) references budget_transactions (transaction_id),
    created_at timestamptz not null default now(), completed_at timestamptz);
  create table job_submissions (
    id bigserial primary key, job_id varchar(128) unique, account_id bigint, partition varchar(64), user_id varchar(64),
    estimated_cost decimal(12,2), hold_amount decimal(12,2), actual_cost decimal(12,2),
    hold_transaction_id varchar(128) not null, charge_transaction_id varchar(128), job_metadata jsonb,
    status varchar(32) default 'submitted', submitted_at timestamptz, started_at timestamptz, completed_at timestamptz,
    reconciled_at timestamptz);
  create table budget_allocation_schedules (
    id bigserial primary key, account_id bigint references budget_accounts on delete cascade, total_budget decimal(12,2),
    allocation_amount decimal(12,2), allocation_frequency varchar(32), start_date timestamptz, end_date timestamptz,
    next_allocation_date timestamptz not null, allocated_to_date decimal(12,2) default 0,
    remaining_budget decimal(12,2) default 0, status varchar(32) default 'active', auto_allocate boolean default true,
    created_at timestamptz default now(), updated_at timestamptz default now());
  create table budget_allocations (
    id bigserial primary key, schedule_id bigint, account_id bigint, allocation_amount decimal(12,2),
    allocated_date timestamptz default now(), transaction_id varchar(128), notes text, created_at timestamptz default now());
  create table grant_accounts (
    id bigserial primary key, grant_number varchar(128) unique, funding_agency varchar(255), agency_program text,
    principal_investigator text, co_investigators text[], institution text, department text, grant_start_date timestamptz,
    grant_end_date timestamptz, total_award_amount decimal(15,2), direct_costs decimal(15,2) default 0,
    indirect_cost_rate decimal(5,4) default 0.30, budget_period_months int default 12, current_budget_period int default 1,
    status varchar(32) default 'active', compliance_requirements jsonb, federal_award_id varchar(128),
    internal_project_code varchar(64), cost_center varchar(64), created_at timestamptz default now(),
    updated_at timestamptz default now());
  create table grant_budget_periods (
    id bigserial primary key, grant_id bigint references grant_accounts on delete cascade, period_number int,
    period_start_date timestamptz, period_end_date timestamptz, period_budget_amount decimal(15,2),
    period_spent_amount decimal(15,2) default 0, period_committed_amount decimal(15,2) default 0,
    status varchar(32) default 'active', unique (grant_id, period_number));
  create table budget_burn_rates (
    id bigserial primary key, account_id bigint, measurement_date date, daily_spend_amount decimal(12,2) default 0);
  create table budget_alerts (
    id bigserial primary key, account_id bigint, grant_id bigint, alert_type varchar(64), severity varchar(32) default 'info',
    message text, status varchar(32) default 'active', triggered_at timestamptz default now());

  create function keep_balances() returns trigger language plpgsql as $$
  declare v_parent text := (select type from budget_transactions where transaction_id = new.parent_transaction_id);
  begin
    if new.status <> 'completed' or (tg_op = 'UPDATE' and old.status = 'completed') then return new; end if;
    update budget_accounts set
      budget_used = case
        when new.type = 'charge' then budget_used + new.amount
        when new.type = 'refund' and v_parent = 'charge' then greatest(0, budget_used - new.amount)
        else budget_used end,
      budget_held = case
        when new.type = 'hold' then budget_held + new.amount
        when v_parent = 'hold' then greatest(0, budget_held - new.amount)
        else budget_held end
    where id = new.account_id;
    return new;
  end $$;
  create trigger keeps_balances after insert or update on budget_transactions for each row execute function keep_balances();`;
