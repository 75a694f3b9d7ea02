-- refund_run gives back what a run gets because of how it ended, with the record that says so as evidence, and notes that its
-- user is to be told:
--
--   run_key, hold_id, event_no, and what refund_share takes
--
-- It may be repeated (see refund_share). Racing with itself, a person's refund or an adjustment, one goes first under the tree's
-- lock, and the others see what it left. Returns the refund's number; null where nothing was to be given back.
create function ledger.refund_run(p_request jsonb) returns bigint
language plpgsql volatile
as $$
declare
  v_charge ledger.charges;
  v_event ledger.job_events;
  v_txn_no bigint;
begin
  select c.* into v_charge
  from ledger.charges c join ledger.holds h on h.hold_no = c.hold_no
  where c.run_key = p_request ->> 'run_key' and h.hold_id = p_request ->> 'hold_id';
  if not found then return null; end if;
  perform ledger.lock_tree(array[v_charge.account_no]);
  select * into strict v_charge from ledger.charges where charge_no = v_charge.charge_no;
  select * into strict v_event from ledger.job_events where event_no = (p_request ->> 'event_no')::bigint;
  v_txn_no := ledger.refund_share(v_charge, p_request, v_event.event_no,
    jsonb_build_object('type', v_event.type, 'task', v_event.task, 'at', v_event.at,
      'recorded_at', v_event.recorded_at, 'record', v_event.facts));
  if v_txn_no is not null then perform ledger.note_refund(v_txn_no, v_charge); end if;
  return v_txn_no;
end;
$$;
