-- bucket_at says between which two of the edges (in order) a moment lies, from 1 on; the first and the last have what lies
-- before and after them.
create function ledger.bucket_at(p_at timestamptz, p_edges timestamptz[]) returns int
language sql immutable parallel safe
as $$ select least(cardinality(p_edges) - 1, greatest(1, width_bucket(p_at, p_edges))) $$;
