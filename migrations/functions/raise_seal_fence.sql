-- raise_seal_fence moves the fence to the numbers drawn so far, once everything below the old one is sealed: raised sooner it
-- would wait for ever newer transactions. Returns whether it moved.
--
-- The order matters: first the newest number, then, in a new snapshot, the next xid. A transaction has its xid before it
-- draws a number (next_txn_no), so whoever drew one of these numbers has an xid below that.
create function ledger.raise_seal_fence() returns boolean
language plpgsql volatile
as $$
declare
  v_fence ledger.seal_fence;
  v_drawn bigint;
  v_xid xid8;
begin
  select * into strict v_fence from ledger.seal_fence for update;
  if pg_snapshot_xmin(pg_current_snapshot()) < v_fence.xid then return false; end if;
  if exists (select from ledger.transactions
             where txn_no > coalesce((select max(txn_no) from ledger.seals), 0) and txn_no <= v_fence.txn_no) then
    return false;
  end if;
  select case when is_called then last_value else 0 end into v_drawn from ledger.txn_numbers;
  if v_drawn <= v_fence.txn_no then return false; end if;
  v_xid := pg_snapshot_xmax(pg_current_snapshot());
  update ledger.seal_fence set txn_no = v_drawn, xid = v_xid;
  return true;
end;
$$;
