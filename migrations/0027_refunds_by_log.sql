-- A refund whose evidence is a row of an accounting log and not an event: the log is not kept, so the transaction's metadata has
-- what it said. Old code may run beside this: it writes an event's number as before, and reads the column nowhere.

alter table ledger.run_refunds alter column event_no drop not null;
