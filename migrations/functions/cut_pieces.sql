-- cut_pieces cuts what was used at every moment at which a fund of the account opens or closes, so that each piece lies in
-- one period (architecture 1.8). Callers cut at rates and days already; a piece is used evenly, and its cuts are
-- differences of the cumulative amount rounded half-even, so that they sum to it (rulings 4).
create function ledger.cut_pieces(p_account_no bigint, p_pieces jsonb)
returns table (starts_at timestamptz, ends_at timestamptz, amount_micro bigint)
language sql stable
as $$
  with given as (
    select g.place, (g.piece ->> 'starts_at')::timestamptz as starts_at, (g.piece ->> 'ends_at')::timestamptz as ends_at,
      (g.piece ->> 'amount_micro')::bigint as amount
    from jsonb_array_elements(p_pieces) with ordinality as g (piece, place)
  ), cut as (
    select given.place, given.starts_at as from_at, given.ends_at as to_at, given.amount, edge.at as cut_at
    from given
    cross join lateral (
      select given.ends_at as at
      union
      select edge.at
      from ledger.funds f cross join lateral (values (f.opens_at), (f.closes_at)) as edge (at)
      where f.account_no = p_account_no and f.source <> 'overdraft' and edge.at > given.starts_at and edge.at < given.ends_at
    ) as edge
  ), cumulative as (
    select place, from_at, cut_at, case
      when cut_at = to_at then amount
      else ledger.divide_half_even(amount * extract(epoch from cut_at - from_at), extract(epoch from to_at - from_at)) end as amount
    from cut
  )
  select coalesce(lag(cut_at) over in_order, from_at), cut_at, amount - coalesce(lag(amount) over in_order, 0)
  from cumulative
  window in_order as (partition by place order by cut_at)
  order by 1, place
$$;
