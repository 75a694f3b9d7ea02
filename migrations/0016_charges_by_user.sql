-- Whoever meets a cap for every user ('*') for the first time has his charges counted while he waits (ledger.limit_use). Without
-- this, that read every charge of the account. Old code may run beside it.
create index charges_by_user on ledger.charges (account_no, user_name) where user_name is not null;
