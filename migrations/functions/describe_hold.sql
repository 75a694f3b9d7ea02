-- describe_hold says all there is to say of a hold now, as JSON: amounts are texts of millionths (see ledger/holds.ts).
create function ledger.describe_hold(p_hold_no bigint) returns jsonb
language sql stable
as $$
  select jsonb_build_object(
    'hold_id', h.hold_id, 'key', d.key, 'account', a.name, 'unit', a.unit, 'cluster', c.name, 'partition', h.partition,
    'user', h.user_name, 'status', h.status, 'placed_micro', h.placed_micro::text, 'held_micro', h.held_micro::text,
    'charged_micro', h.charged_micro::text, 'released_micro', h.released_micro::text, 'late', ledger.came_late(h),
    'overdue_at', h.overdue_at, 'effective_at', h.effective_at, 'placed_at', h.placed_at, 'closed_at', h.closed_at,
    'use_by', h.use_by,
    'group', (select leader.hold_id from ledger.holds leader where leader.hold_no = h.group_no),
    'resized_micro', r.all_micro::text, 'given_back_micro', r.back_micro::text,
    'job_id', (select j.job_id from ledger.jobs j where j.hold_no = h.hold_no order by j.job_no desc limit 1),
    'parts', coalesce((
      select jsonb_agg(jsonb_build_object('fund_id', f.fund_id, 'source', f.source, 'held_micro', p.held_micro::text)
        order by f.closes_at, f.fund_no)
      from ledger.hold_parts p join ledger.funds f using (fund_no)
      where p.hold_no = h.hold_no), '[]'))
  from ledger.holds h
  join ledger.accounts a on a.account_no = h.account_no
  join ledger.clusters c on c.cluster_no = h.cluster_no
  cross join lateral (
    select coalesce(sum(t.amount_micro), 0) as all_micro,
      coalesce(-sum(t.amount_micro) filter (where t.amount_micro < 0), 0) as back_micro
    from ledger.transactions t
    where t.hold_no = h.hold_no and t.kind = 'resize') r
  left join ledger.decisions d on d.decision_no = coalesce(h.group_no, h.hold_no)
  where h.hold_no = p_hold_no
$$;
