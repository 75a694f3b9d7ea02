-- limit_use counts what a cap covers from the holds and charges themselves: what a new cap starts with, and what the audit
-- compares the counters to. A hold and its charges count by the moment the hold is about; a charge without one by its start.
-- Where the cap has no beginning or no end of its own, the account's window stands for it (rulings 8).
create function ledger.limit_use(
  p_account_no bigint, p_partition text, p_user text, p_opens_at timestamptz, p_closes_at timestamptz
) returns table (settled_micro bigint, held_micro bigint)
language sql stable
as $$
  select
    (select coalesce(sum(c.amount_micro + c.adjusted_micro - c.refunded_micro), 0)::bigint
     from (
       -- Each is empty where the other is asked for. One with `or` would read all charges of the account for those of a user.
       select * from ledger.charges where p_user is not null and account_no = p_account_no and user_name = p_user
       union all
       select * from ledger.charges where p_user is null and account_no = p_account_no
     ) c
     join ledger.transactions t on t.txn_no = c.charge_no
     left join ledger.holds h on h.hold_no = c.hold_no
     where (p_partition is null or c.partition = p_partition)
       and coalesce(h.effective_at, c.started_at, t.effective_at) >= coalesce(p_opens_at, a.starts_at)
       and coalesce(h.effective_at, c.started_at, t.effective_at) < coalesce(p_closes_at, a.ends_at)),
    (select coalesce(sum(h.held_micro), 0)::bigint
     from ledger.holds h
     where h.account_no = p_account_no and h.status = 'open'
       and (p_partition is null or h.partition = p_partition)
       and (p_user is null or h.user_name = p_user)
       and h.effective_at >= coalesce(p_opens_at, a.starts_at)
       and h.effective_at < coalesce(p_closes_at, a.ends_at))
  from ledger.accounts a
  where a.account_no = p_account_no
$$;
