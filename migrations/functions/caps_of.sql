-- caps_of lists the caps that count a hold for this partition and user at this moment: the partition's, the user's, the
-- user's in the partition. Where a user has no row of his own, the template's ('*') stands for it with limit_no null and
-- with what he used before the template was set; place_holds makes the row when it first counts something.
--
-- A cap without a beginning or an end of its own has the account's (rulings 8).
--
-- Three probes of limits_once and two more for the templates, never a scan: an account may cap thousands of users.
create function ledger.caps_of(p_account_no bigint, p_partition text, p_user text, p_at timestamptz)
returns table (
  limit_no bigint, partition text, user_name text, limit_micro bigint, settled_micro bigint, held_micro bigint,
  opens_at timestamptz, closes_at timestamptz
)
language sql stable
as $$
  select l.limit_no, l.partition, l.user_name, l.limit_micro, l.settled_micro, l.held_micro, l.opens_at, l.closes_at
  from (
    select * from ledger.limits where account_no = p_account_no and partition = p_partition and user_name is null
    union all
    select * from ledger.limits where account_no = p_account_no and partition is null and user_name = nullif(p_user, '*')
    union all
    select * from ledger.limits where account_no = p_account_no and partition = p_partition and user_name = nullif(p_user, '*')
  ) l
  cross join lateral (select starts_at, ends_at from ledger.accounts where account_no = p_account_no limit 1) a
  where coalesce(l.opens_at, a.starts_at) <= p_at and coalesce(l.closes_at, a.ends_at) > p_at
  union all
  select null, t.partition, p_user, t.limit_micro, used.settled_micro, used.held_micro, t.opens_at, t.closes_at
  from (
    select * from ledger.limits where account_no = p_account_no and partition is null and user_name = '*'
    union all
    select * from ledger.limits where account_no = p_account_no and partition = p_partition and user_name = '*'
  ) t
  cross join lateral (select starts_at, ends_at from ledger.accounts where account_no = p_account_no limit 1) a
  cross join lateral ledger.limit_use(p_account_no, t.partition, p_user, t.opens_at, t.closes_at) used
  where p_user is not null and p_user <> '*'
    and coalesce(t.opens_at, a.starts_at) <= p_at and coalesce(t.closes_at, a.ends_at) > p_at
    and not exists (
      select from ledger.limits own
      where own.account_no = p_account_no and own.partition is not distinct from t.partition and own.user_name = p_user)
$$;
