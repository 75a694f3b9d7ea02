-- replay_decision finds the answer that was first given under a key: 'replayed', or 'key_reused' where the body was another.
create function ledger.replay_decision(p_principal text, p_key text, p_body_hash bytea)
returns table (outcome text, request jsonb, answer jsonb, effective_at timestamptz)
language sql stable
as $$
  select case when d.body_hash is not distinct from p_body_hash then 'replayed' else 'key_reused' end,
    d.request, d.answer, d.effective_at
  from ledger.decisions d
  where d.key = p_key and d.principal = p_principal
$$;
