-- scale_pieces spreads an amount over pieces as they are, in proportion: differences of the cumulative amount rounded
-- half-even, so that they sum to it.
create function ledger.scale_pieces(p_pieces jsonb, p_amount_micro bigint) returns jsonb
language sql immutable
as $$
  with piece as (
    select g.piece, g.place, sum((g.piece ->> 'amount_micro')::bigint) over (order by g.place) as through,
      sum((g.piece ->> 'amount_micro')::bigint) over () as whole
    from jsonb_array_elements(p_pieces) with ordinality as g (piece, place)
  ), cumulative as (
    select piece, place, ledger.divide_half_even(p_amount_micro * through, whole) as amount from piece where whole > 0
  )
  select coalesce(jsonb_agg(piece || jsonb_build_object('amount_micro',
    (amount - coalesce(before, 0))::text) order by place), '[]')
  from (select *, lag(amount) over (order by place) as before from cumulative) as spread
$$;
