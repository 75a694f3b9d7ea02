-- Of a hold that no listing shows a job for, the accounting must have been heard after the grace: since when it has been
-- heard before says nothing. An older Bursar that runs beside this names neither column, only the functions.
alter table ledger.scheduler_looks drop column accounted_since;

-- A relay sends what its accounting says in parts, and what is missing in one of them is missing in the whole.
alter table ledger.scheduler_looks add column part_unread boolean not null default false;
