-- seal_batch seals up to p_limit transactions, in the order of their numbers, and returns how many.
--
-- The fence says that every number up to fence.txn_no was drawn by a transaction with an xid below fence.xid (see
-- raise_seal_fence). Once no transaction below that xid is running, whatever will ever have such a number is there to be
-- seen, and the chain may pass it. A transaction that runs for an hour holds the seals up for an hour; nothing else waits.
create function ledger.seal_batch(p_limit int) returns int
language plpgsql volatile
as $$
declare
  v_fence ledger.seal_fence;
  v_after bigint;
  v_digest bytea;
  v_through bigint;
  v_row record;
  v_nos bigint[] := '{}';
  v_digests bytea[] := '{}';
begin
  select * into strict v_fence from ledger.seal_fence for update;
  if pg_snapshot_xmin(pg_current_snapshot()) < v_fence.xid then return 0; end if;

  select txn_no, digest into v_after, v_digest from ledger.seals order by txn_no desc limit 1;
  v_after := coalesce(v_after, 0);
  v_digest := coalesce(v_digest, decode(repeat('00', 32), 'hex'));
  select max(txn_no) into v_through from (
    select txn_no from ledger.transactions where txn_no > v_after and txn_no <= v_fence.txn_no order by txn_no limit p_limit) t;

  for v_row in select * from ledger.sealed_content(v_after, v_through) order by txn_no loop
    v_digest := sha256(v_digest || v_row.content);
    v_nos := v_nos || v_row.txn_no;
    v_digests := v_digests || v_digest;
  end loop;
  insert into ledger.seals (txn_no, digest) select * from unnest(v_nos, v_digests);
  return cardinality(v_nos);
end;
$$;
