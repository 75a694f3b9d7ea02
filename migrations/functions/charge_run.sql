-- charge_run books what a run cost, once per run (rulings 11), and with "close" gives the rest of its hold back in the same
-- transaction (settle). Everything arrives in one JSON object; amounts are texts of millionths:
--
--   run_key, hold_id | account + cluster, job_id, partition, user, source, pieces: [{starts_at, ends_at, amount_micro}],
--   reported_numeral, started_at, ended_at, usage, slices (see meter_run), correction, close, reason, actor, now
--
-- The same run again:
--   - with the same cost, or by usage again: nothing happens, the first answer (a run's first record wins);
--   - the first reported cost after usage or a provisional one: an adjustment by the difference;
--   - by usage with "correction" (its end was only guessed): an adjustment, and its hours are those of the new slices;
--   - another reported cost: already_reconciled, unless "correction" is true: then an adjustment;
--   - and in each case "close" closes the hold if it is still open, so a settlement that is repeated completes.
--
-- A charge without an open hold is legal: it is drawn from what the account has. Charges are never refused for money.
--
-- Racing with itself, one call charges and the others find the charge: under the tree's lock, or, where two accounts are
-- asked to pay for one run, by charges_run_key_key, which undoes the second so that it asks again (ledger/errors.ts). Racing
-- with a close, it draws on the hold if it goes first, and on the account if it does not.
create function ledger.charge_run(p_request jsonb) returns jsonb
language plpgsql volatile
as $$
declare
  v_run_key constant text := p_request ->> 'run_key';
  v_source constant text := p_request ->> 'source';
  v_pieces constant jsonb := coalesce(nullif(p_request -> 'pieces', 'null'), '[]');
  v_slices constant jsonb := coalesce(nullif(p_request -> 'slices', 'null'), '[]');
  v_actor constant text := coalesce(p_request ->> 'actor', 'system');
  v_now constant timestamptz := coalesce((p_request ->> 'now')::timestamptz, clock_timestamp());
  v_reason constant text := p_request ->> 'reason';
  v_started_at constant timestamptz := (p_request ->> 'started_at')::timestamptz;
  v_ended_at constant timestamptz := (p_request ->> 'ended_at')::timestamptz;
  v_effective_at timestamptz;
  v_total numeric;
  v_account_no bigint;
  v_cluster_no int;
  v_hold ledger.holds;
  v_charge ledger.charges;
  v_release_no bigint;
  v_adjustment_no bigint;
  v_delta bigint;
  v_outcome text;
begin
  select coalesce(sum((piece ->> 'amount_micro')::numeric), 0) into v_total from jsonb_array_elements(v_pieces) as piece;
  if v_total >= 8589934592000000 then
    perform ledger.fail('malformed_request', 'The cost of a run stays below 8589934592 (2^33).');
  end if;
  if exists (select from jsonb_array_elements(v_pieces) as piece
             where (piece ->> 'amount_micro')::numeric < 0 or (piece ->> 'ends_at')::timestamptz < (piece ->> 'starts_at')::timestamptz) then
    perform ledger.fail('malformed_request', 'The cost of a run is never negative, and none of it ends before it starts.');
  end if;

  if p_request ->> 'hold_id' is not null then
    select * into v_hold from ledger.holds where hold_id = p_request ->> 'hold_id';
    if not found then
      perform ledger.fail('hold_not_found', format('There is no hold %s.', p_request ->> 'hold_id'), jsonb_build_object('hold_id', p_request ->> 'hold_id'));
    end if;
    v_account_no := v_hold.account_no;
    v_cluster_no := v_hold.cluster_no;
  else
    select account_no into v_account_no from ledger.accounts where name = p_request ->> 'account';
    if not found then
      perform ledger.fail('account_not_found', format('There is no account "%s".', p_request ->> 'account'), jsonb_build_object('account', p_request ->> 'account'));
    end if;
    select cluster_no into v_cluster_no from ledger.clusters where name = p_request ->> 'cluster';
    if not found then
      perform ledger.fail('cluster_not_found', format('There is no cluster "%s".', p_request ->> 'cluster'), jsonb_build_object('cluster', p_request ->> 'cluster'));
    end if;
  end if;

  perform ledger.lock_tree(array_remove(array[v_account_no, (select account_no from ledger.charges where run_key = v_run_key)], null));
  select * into v_charge from ledger.charges where run_key = v_run_key;
  if v_hold.hold_no is not null then
    select * into strict v_hold from ledger.holds where hold_no = v_hold.hold_no;
  end if;

  if v_charge.charge_no is null then
    v_outcome := 'charged';
    v_effective_at := coalesce(v_ended_at, (select max((piece ->> 'ends_at')::timestamptz) from jsonb_array_elements(v_pieces) as piece), v_now);
    v_charge.charge_no := ledger.write_transaction('charge', v_account_no, v_total::bigint, v_actor,
      coalesce(v_reason, format('Actual cost for job %s', p_request ->> 'job_id')), v_effective_at, v_hold.hold_no, null, null,
      nullif(p_request -> 'metadata', 'null'));
    perform ledger.draw_charge(v_charge.charge_no, v_charge.charge_no, v_account_no, v_hold, p_request ->> 'partition',
      p_request ->> 'user', coalesce(v_hold.effective_at, v_started_at, v_effective_at), v_pieces, v_actor);
    insert into ledger.charges (
      charge_no, run_key, account_no, hold_no, cluster_no, job_id, partition, user_name, source, amount_micro,
      reported_numeral, reported_micro, started_at, ended_at, usage, metered_until)
    values (
      v_charge.charge_no, v_run_key, v_account_no, v_hold.hold_no, v_cluster_no, p_request ->> 'job_id', p_request ->> 'partition',
      p_request ->> 'user', v_source, v_total::bigint, p_request ->> 'reported_numeral',
      case when v_source = 'reported' then v_total::bigint end, v_started_at, v_ended_at, nullif(p_request -> 'usage', 'null'),
      ledger.end_of_slices(v_slices));
    perform ledger.write_slices(v_charge.charge_no, v_slices);
    perform ledger.claim_run(v_charge.charge_no);
    update ledger.holds set charged_micro = charged_micro + v_total::bigint where hold_no = v_hold.hold_no;
  else
    v_outcome := 'replayed';
    v_effective_at := coalesce(v_ended_at, v_now);
    if v_source = 'reported' and v_charge.reported_micro is distinct from v_total::bigint then
      if v_charge.reported_micro is not null and not coalesce((p_request ->> 'correction')::boolean, false) then
        perform ledger.fail('already_reconciled',
          format('The run was settled with a reported cost of %s; send "correction": true to change it to %s.',
            ledger.decimal_of(v_charge.reported_micro), ledger.decimal_of(v_total::bigint)),
          jsonb_build_object('reported', ledger.decimal_of(v_charge.reported_micro), 'requested', ledger.decimal_of(v_total::bigint)));
      end if;
      -- Never below what was refunded already: that money is back.
      v_delta := greatest(v_total::bigint, v_charge.refunded_micro) - v_charge.amount_micro - v_charge.adjusted_micro;
    elsif v_source <> 'reported' and coalesce((p_request ->> 'correction')::boolean, false) and v_charge.reported_micro is null then
      v_delta := greatest(v_total::bigint, v_charge.refunded_micro) - v_charge.amount_micro - v_charge.adjusted_micro;
    end if;
    if v_delta is not null then
      v_outcome := 'adjusted';
      if v_delta <> 0 then
        v_adjustment_no := ledger.adjust_charge(v_charge.charge_no, v_delta,
          case when v_delta > 0 then ledger.scale_pieces(v_pieces, v_delta) end, true,
          coalesce(v_reason, format('Corrected cost for job %s', v_charge.job_id)), v_actor, v_effective_at);
      end if;
      if v_source <> 'reported' then
        perform ledger.meter_again(v_charge.charge_no, v_slices, v_ended_at);
      else
        update ledger.charges
        set reported_numeral = p_request ->> 'reported_numeral', reported_micro = v_total::bigint,
          corrected_by_report = true
        where charge_no = v_charge.charge_no;
      end if;
    end if;
  end if;

  if coalesce((p_request ->> 'close')::boolean, false) and v_hold.hold_no is not null then
    v_release_no := ledger.release_rest(v_hold.hold_no, coalesce(v_reason, 'Rest of the hold'), v_actor, v_effective_at, v_now);
  end if;

  return (
    select jsonb_build_object(
      'outcome', v_outcome, 'charge_no', c.charge_no::text, 'transaction_id', t.transaction_id,
      'amount_micro', (c.amount_micro + c.adjusted_micro)::text, 'refunded_micro', c.refunded_micro::text, 'source', c.source,
      'adjustment_no', v_adjustment_no::text, 'release_no', v_release_no::text,
      'hold', case when h.hold_no is not null then jsonb_build_object(
        'hold_id', h.hold_id, 'status', h.status, 'placed_micro', h.placed_micro::text, 'held_micro', h.held_micro::text,
        'charged_micro', h.charged_micro::text, 'released_micro', h.released_micro::text) end)
    from ledger.charges c
    join ledger.transactions t on t.txn_no = c.charge_no
    left join ledger.holds h on h.hold_no = coalesce(v_hold.hold_no, c.hold_no)
    where c.charge_no = v_charge.charge_no);
end;
$$;
