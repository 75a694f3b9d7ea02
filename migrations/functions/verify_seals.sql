-- verify_seals computes a stretch of the hash chain again, from the digest before it, and names the first transaction that is
-- not what was sealed: changed, removed, or inserted between. bad_no is null where all is well; next_no and next_digest are
-- where the next stretch begins, next_no null at the end of the chain.
create function ledger.verify_seals(p_after bigint, p_digest bytea, p_limit int, out checked int, out next_no bigint,
  out next_digest bytea, out bad_no bigint, out bad_id text, out detail text)
language plpgsql stable
as $$
declare
  v_through bigint;
  v_last bigint;
  v_row record;
begin
  checked := 0;
  next_digest := p_digest;
  select max(txn_no) into v_through from (select txn_no from ledger.seals where txn_no > p_after order by txn_no limit p_limit) s;
  select max(txn_no) into v_last from ledger.seals;

  for v_row in
    select txn_no, s.digest, c.transaction_id, c.content
    from (
      select s.txn_no from ledger.seals s where s.txn_no > p_after and s.txn_no <= v_through
      union select t.txn_no from ledger.transactions t where t.txn_no > p_after and t.txn_no <= v_through
      union select e.txn_no from ledger.entries e where e.txn_no > p_after and e.txn_no <= v_through
    ) number
    left join ledger.seals s using (txn_no)
    left join ledger.sealed_content(p_after, v_through) c using (txn_no)
    order by txn_no
  loop
    bad_id := v_row.transaction_id;
    if v_row.content is null then
      detail := case when v_row.digest is null then 'lines were inserted that belong to no transaction' else 'the transaction was removed' end;
    elsif v_row.digest is null then
      detail := 'the transaction was inserted after its neighbours had been sealed';
    elsif v_row.digest <> sha256(next_digest || v_row.content) then
      detail := 'the transaction, its lines, its pieces, its hold, its charge or its seal was changed';
    end if;
    if detail is not null then
      bad_no := v_row.txn_no;
      return;
    end if;
    next_digest := v_row.digest;
    checked := checked + 1;
  end loop;
  bad_id := null;
  next_no := case when v_through < v_last then v_through end;
end;
$$;
