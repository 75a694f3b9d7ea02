-- decimal_of writes millionths as people read them: 1500000 -> '1.5'. For sentences and facts; nothing computes with it.
create function ledger.decimal_of(p_micro bigint) returns text
language sql immutable
as $$ select trim_scale(p_micro::numeric / 1000000)::text $$;
