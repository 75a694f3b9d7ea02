-- bulk_id makes an outer id for one of very many rows that are born together: the kind and the time are those of p_like, an id
-- of new_id made once for all of them, and the rest is 62 random bits. About twenty times as fast as new_id.
create function ledger.bulk_id(p_like text) returns text
language sql volatile
as $$ select left(p_like, -16) || upper(right(replace(gen_random_uuid()::text, '-', ''), 16)) $$;
