-- keep_txn_numbers keeps the numbers of transactions to this transaction: who else wants one waits for its end, as with the lock that
-- changing a sequence takes (no statement takes it without). Returns the last that was drawn. The caller sets the sequence to the last
-- that it used. Like next_txn_no, never without an xid.
create function ledger.keep_txn_numbers() returns bigint
language plpgsql volatile
as $$
begin
  perform pg_current_xact_id();
  alter sequence ledger.txn_numbers cache 1;
  return nextval('ledger.txn_numbers');
end;
$$;
