-- Transactions of ASBB are understood as they are read, account by account (domain/asbb-readings.ts), and never lie in a table of ours.
-- Only an import looks at these tables, and one that an old version has begun is finished by it, or begun again by this one.
drop table ledger.asbb_transactions, ledger.asbb_readings;
alter table ledger.asbb_balances drop column repeated_micro, drop column rows;
