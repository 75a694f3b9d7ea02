-- sealed_content is what a seal stands for: a transaction with its lines, its pieces, and what is written once of its hold or
-- its charge, as one text. Times are microseconds, so that no setting of a session changes it. (What changes later, such as
-- how much of a charge was refunded, is proved by the audit from rows that are sealed.)
create function ledger.sealed_content(p_after bigint, p_through bigint)
returns table (txn_no bigint, transaction_id text, content bytea)
language sql stable
as $$
  with line as (
    select e.txn_no, jsonb_agg(jsonb_build_array(e.line_no, e.account_no, e.fund_no, e.book, e.amount_micro) order by e.line_no) as lines
    from ledger.entries e where e.txn_no > p_after and e.txn_no <= p_through
    group by e.txn_no
  ), piece as (
    select p.txn_no, jsonb_agg(jsonb_build_array(p.piece_no, p.charge_no, p.fund_no, ledger.epoch_micros(p.starts_at),
      ledger.epoch_micros(p.ends_at), p.amount_micro) order by p.piece_no) as pieces
    from ledger.charge_pieces p where p.txn_no > p_after and p.txn_no <= p_through
    group by p.txn_no
  )
  select t.txn_no, coalesce(t.transaction_id, h.hold_id), convert_to(jsonb_build_array(
    t.txn_no, t.transaction_id, t.kind, t.account_no, t.other_account_no, t.hold_no, t.charge_no, t.amount_micro, t.actor,
    t.description, t.metadata, ledger.epoch_micros(t.effective_at), ledger.epoch_micros(t.recorded_at), line.lines, piece.pieces,
    case when h.hold_no is not null then jsonb_build_array(h.hold_id, h.account_no, h.cluster_no, h.partition, h.user_name,
      h.group_no, h.placed_micro, h.late, ledger.epoch_micros(h.effective_at), ledger.epoch_micros(h.placed_at))
      -- Only where there is one: what was sealed before there were spares reads as it did.
      || case when h.use_by is null then '[]'::jsonb else jsonb_build_array(ledger.epoch_micros(h.use_by)) end end,
    case when c.charge_no is not null then jsonb_build_array(c.run_key, c.account_no, c.hold_no, c.cluster_no, c.job_id,
      c.partition, c.user_name, c.source, c.amount_micro, ledger.epoch_micros(c.started_at), ledger.epoch_micros(c.ended_at), c.usage) end
    )::text, 'UTF8')
  from ledger.transactions t
  left join line on line.txn_no = t.txn_no
  left join piece on piece.txn_no = t.txn_no
  left join ledger.holds h on h.hold_no = t.txn_no
  left join ledger.charges c on c.charge_no = t.txn_no
  where t.txn_no > p_after and t.txn_no <= p_through
$$;
