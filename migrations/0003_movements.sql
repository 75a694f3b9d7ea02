-- What the movements of money need beside the first tables. Additive; older code may run beside it.

-- What has expired from a fund, net of what late charges brought back; so that a charge for use before the expiry finds
-- it without reading the fund's entries. The audit compares it with them.
alter table ledger.funds add column expired_micro bigint not null default 0 constraint funds_expired_is_an_amount check (expired_micro >= 0);

-- The receiving account of a transfer, so that it finds the transfer among its own transactions.
alter table ledger.transactions add column other_account_no bigint;
create index transactions_by_other_account on ledger.transactions (other_account_no, txn_no) where other_account_no is not null;

-- The last cost a machine reported for the run: the same report again is the same report, whatever was adjusted since.
alter table ledger.charges add column reported_micro bigint;
create index charges_by_job on ledger.charges (job_id, charge_no);
