-- refund_share brings the refunds of a charge up to the share of it that p_request names, and says by which transaction:
--
--   reason, policy, numerator, denominator (the share of the charge), description, actor
--
-- Refunds are counted together, those of people included: it gives what is missing to the share, and nothing (null) where
-- nothing is. So it may be repeated, and after a correction that made the charge larger it gives back the share of that too;
-- never more than the charge. Money that is back is not taken again, whatever a later record says.
--
-- p_evidence is what said so, kept with the transaction; p_event_no its number where it is an event. The caller holds the tree's
-- lock and has read the charge under it.
create function ledger.refund_share(p_charge ledger.charges, p_request jsonb, p_event_no bigint, p_evidence jsonb) returns bigint
language plpgsql volatile
as $$
declare
  v_amount bigint := ledger.divide_half_even(
    (p_charge.amount_micro + p_charge.adjusted_micro) * (p_request ->> 'numerator')::numeric,
    (p_request ->> 'denominator')::numeric) - p_charge.refunded_micro;
  v_txn_no bigint;
begin
  if v_amount <= 0 then return null; end if;

  v_txn_no := ledger.write_transaction('refund', p_charge.account_no, v_amount, p_request ->> 'actor',
    p_request ->> 'description', clock_timestamp(), p_charge.hold_no, p_charge.charge_no, null,
    jsonb_build_object('reason', p_request ->> 'reason', 'policy', p_request ->> 'policy', 'run_key', p_charge.run_key,
      'evidence', p_evidence));
  perform ledger.give_back(v_txn_no, p_charge, ledger.charge_counted_at(p_charge), v_amount, false);
  update ledger.charges set refunded_micro = refunded_micro + v_amount where charge_no = p_charge.charge_no;
  insert into ledger.run_refunds (refund_no, refund_key, charge_no, reason, policy, event_no)
  select v_txn_no, format('%s/refund/%s', p_charge.run_key, count(*)), p_charge.charge_no, p_request ->> 'reason',
    p_request ->> 'policy', p_event_no
  from ledger.run_refunds where charge_no = p_charge.charge_no;
  return v_txn_no;
end;
$$;
