-- must_be_settings refuses what no account can be. p_moved is the field of the request that moved its window.
create function ledger.must_be_settings(p_starts_at timestamptz, p_ends_at timestamptz, p_limit_micro bigint, p_moved text)
returns void
language plpgsql
as $$
begin
  if p_ends_at <= p_starts_at then
    perform ledger.fail('malformed_request', 'An account ends after it starts.',
      jsonb_build_object('pointer', p_moved, 'starts_at', p_starts_at, 'ends_at', p_ends_at));
  end if;
  if p_limit_micro < 0 or p_limit_micro >= 8589934592000000 then
    perform ledger.fail('malformed_request', 'A budget limit is not negative and below 8589934592 (2^33).', jsonb_build_object('pointer', '/budget_limit'));
  end if;
end;
$$;
