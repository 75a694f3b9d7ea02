-- put_indexes_aside drops the indexes of the tables that hold what has happened, keys among them, while nothing has: a first import
-- then writes as fast as a bare COPY, and building them afterwards takes a third of the time that keeping them up would. Nobody reads
-- or writes these tables until the transaction ends, and where it fails they have their indexes as before. Returns what
-- put_indexes_back makes them of, or null where the ledger is in use.
create function ledger.put_indexes_aside() returns jsonb
language plpgsql volatile
as $$
declare
  v_put_aside jsonb;
  v_drop text;
begin
  if exists (select from ledger.transactions) then
    return null;
  end if;
  lock table ledger.transactions, ledger.entries, ledger.holds, ledger.charges, ledger.charge_pieces in access exclusive mode;
  if exists (select from ledger.transactions) then
    return null;
  end if;

  select jsonb_agg(jsonb_build_object(
      'drop', case when c.conname is null then format('drop index %s', i.indexrelid::regclass)
        else format('alter table %s drop constraint %I', i.indrelid::regclass, c.conname) end,
      'make', case when c.conname is null then pg_get_indexdef(i.indexrelid)
        else format('alter table %s add constraint %I %s', i.indrelid::regclass, c.conname, pg_get_constraintdef(c.oid)) end,
      'tablespace', t.spcname)
    order by i.indrelid, i.indexrelid) into v_put_aside
  from pg_index i
  join pg_class r on r.oid = i.indexrelid
  left join pg_tablespace t on t.oid = r.reltablespace
  left join pg_constraint c on c.conindid = i.indexrelid and c.contype in ('p', 'u', 'x')
  where i.indrelid = any ('{ledger.transactions,ledger.entries,ledger.holds,ledger.charges,ledger.charge_pieces}'::regclass[])
    -- What few rows are in, or few bytes, is sooner kept up than made by reading all of them.
    and (i.indpred is null or i.indexrelid = any ('{ledger.transactions_by_id,ledger.transactions_by_hold,ledger.charges_by_hold}'::regclass[]))
    and not exists (select from pg_class o join pg_am a on a.oid = o.relam where o.oid = i.indexrelid and a.amname = 'brin');
  for v_drop in select each ->> 'drop' from jsonb_array_elements(v_put_aside) each loop
    execute v_drop;
  end loop;
  return v_put_aside;
end;
$$;
