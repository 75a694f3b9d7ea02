-- refund_run gives back what a run gets because of how it ended, with the record that says so as evidence:
--
--   run_key, hold_id, reason, policy, numerator, denominator (the share of the charge), event_no, actor
--
-- Refunds are counted together, those of people included: it gives what is missing to the share, and nothing where nothing
-- is. So it may be repeated, and after a correction that made the charge larger it gives back the share of that too; never
-- more than the charge. Money that is back is not taken again, whatever a later record says.
--
-- Racing with itself, a person's refund or an adjustment, one goes first under the tree's lock, and the others see what it
-- left. Returns the refund's number; null where nothing was to be given back.
create function ledger.refund_run(p_request jsonb) returns bigint
language plpgsql volatile
as $$
declare
  v_charge ledger.charges;
  v_event ledger.job_events;
  v_amount bigint;
  v_txn_no bigint;
begin
  select c.* into v_charge
  from ledger.charges c join ledger.holds h on h.hold_no = c.hold_no
  where c.run_key = p_request ->> 'run_key' and h.hold_id = p_request ->> 'hold_id';
  if not found then return null; end if;
  perform ledger.lock_tree(array[v_charge.account_no]);
  select * into strict v_charge from ledger.charges where charge_no = v_charge.charge_no;

  v_amount := ledger.divide_half_even(
    (v_charge.amount_micro + v_charge.adjusted_micro) * (p_request ->> 'numerator')::numeric,
    (p_request ->> 'denominator')::numeric) - v_charge.refunded_micro;
  if v_amount <= 0 then return null; end if;

  select * into strict v_event from ledger.job_events where event_no = (p_request ->> 'event_no')::bigint;
  v_txn_no := ledger.write_transaction('refund', v_charge.account_no, v_amount, p_request ->> 'actor',
    p_request ->> 'description', clock_timestamp(), v_charge.hold_no, v_charge.charge_no, null,
    jsonb_build_object('reason', p_request ->> 'reason', 'policy', p_request ->> 'policy', 'run_key', v_charge.run_key,
      'evidence', jsonb_build_object('type', v_event.type, 'task', v_event.task, 'at', v_event.at,
        'recorded_at', v_event.recorded_at, 'record', v_event.facts)));
  perform ledger.give_back(v_txn_no, v_charge, ledger.charge_counted_at(v_charge), v_amount, false);
  update ledger.charges set refunded_micro = refunded_micro + v_amount where charge_no = v_charge.charge_no;
  insert into ledger.run_refunds (refund_no, refund_key, charge_no, reason, policy, event_no)
  select v_txn_no, format('%s/refund/%s', v_charge.run_key, count(*)), v_charge.charge_no, p_request ->> 'reason',
    p_request ->> 'policy', v_event.event_no
  from ledger.run_refunds where charge_no = v_charge.charge_no;
  perform ledger.note_refund(v_txn_no, v_charge);
  return v_txn_no;
end;
$$;
