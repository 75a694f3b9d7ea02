-- A run that was charged to a guessed end and is known better now is metered again; slices are written once, so that the new
-- ones follow the old ones. Old code may run beside this: it counts both.
alter table ledger.charges add column first_slice smallint not null default 1; -- those before it were of a guessed end
