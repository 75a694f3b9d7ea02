-- is_stale: was this item priced with what is no longer true? The catalog's version stands for all rates and partitions.
create function ledger.is_stale(p_account ledger.accounts, p_item jsonb, p_version bigint) returns boolean
language sql immutable
as $$
  select (p_item ->> 'catalog')::bigint <> p_version
    or p_item ->> 'unit' <> p_account.unit
    or (p_item ->> 'multiplier')::bigint is distinct from p_account.hold_multiplier_micro
$$;
