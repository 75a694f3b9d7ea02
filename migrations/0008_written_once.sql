-- What was written stays as it was written. No function of ours changes these rows; now an UPDATE by hand, by a careless
-- script or by a mistake of ours is refused instead of being found by the audit later. Old code may run beside this.
--
-- For each statement, and not for inserts: what admission does costs the same with and without (docs/decisions/0006-...).
-- Who owns the tables can disable a trigger; against him there are the seals.

create function ledger.refuse_rewriting() returns trigger language plpgsql as $$
begin
  raise exception using
    errcode = 'restrict_violation',
    message = format('rows of ledger.%s are written once: %s is refused', tg_table_name, lower(tg_op)),
    hint = 'A mistake is answered by a new transaction: a refund, an adjustment, a withdrawal.';
end;
$$;

create trigger transactions_are_written_once before update or delete or truncate on ledger.transactions for each statement execute function ledger.refuse_rewriting();
create trigger entries_are_written_once before update or delete or truncate on ledger.entries for each statement execute function ledger.refuse_rewriting();
create trigger charge_pieces_are_written_once before update or delete or truncate on ledger.charge_pieces for each statement execute function ledger.refuse_rewriting();
create trigger decisions_are_written_once before update or delete or truncate on ledger.decisions for each statement execute function ledger.refuse_rewriting();
create trigger job_events_are_written_once before update or delete or truncate on ledger.job_events for each statement execute function ledger.refuse_rewriting();
create trigger seals_are_written_once before update or delete or truncate on ledger.seals for each statement execute function ledger.refuse_rewriting();
