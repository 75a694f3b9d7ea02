-- What a change that was refused would have had held, beside what the changed job was estimated at (cost_micro). Where a hook
-- priced it itself the two are one. Undefined before: the cost of a change was the hold then.
alter table ledger.submissions add column held_micro bigint;
