-- next_txn_no draws the number of a transaction (or of a decision that moved nothing).
--
-- The transaction gets its xid first: the sealer takes a number's place in the hash chain for final once no older xid is
-- running, so a number must never be drawn by a transaction that has none yet.
create function ledger.next_txn_no() returns bigint
language plpgsql volatile
as $$
begin
  perform pg_current_xact_id();
  return nextval('ledger.txn_numbers');
end;
$$;
