-- read_asbb says of every transaction of some ASBB accounts what it was, and of every account how it stands by them. It reads
-- and writes staging tables only: nothing is booked. Whole accounts, because what a charge belongs to is found among all
-- transactions of its account.
--
-- ASBB writes no link from a charge to its hold. When it reconciles, it writes the charge and, where the hold was more, a
-- refund of the difference. So, in this order:
--
--   1. a link that somebody wrote is believed;
--   2. a charge that repeats the cost of its job within 30 days is a repetition (ASBB charges as often as it is asked) and
--      belongs to no hold;
--   3. a charge and its refund, next to each other in the job, belong to the oldest unmatched hold of exactly their sum that is
--      not younger. Among equal holds any will do: the amounts are the same;
--   4. a charge without a refund that is still left, and the one unmatched hold of the time in which a job of it can have lived,
--      belong together where each is the only candidate of the other: the job cost more than was held.
--
-- A hold that nothing belongs to is still open while its job may live, and closed after twice the reconciliation timeout, when
-- ASBB meant to give it up. What never was completed moved nothing, nor did a refund of nothing, nor an adjustment.
create function ledger.read_asbb(p_account_ids bigint[], p_at timestamptz, p_timeout interval) returns void
language plpgsql volatile
set enable_nestloop = off -- What a batch has is guessed far too low, and a nested loop over it never ends.
set jit = off
as $$
begin
  -- Every table is asked for the accounts of this batch by name: what follows from a join alone is read whole, batch after batch.
  with parent as materialized (
    select p.id, p.transaction_id, p.account_id, p.type, p.amount_micro
    from (select distinct account_id, parent_id from ledger.asbb_transactions
          where parent_id is not null and account_id = any (p_account_ids)) named
    join ledger.asbb_transactions p on p.transaction_id = named.parent_id and p.account_id = named.account_id
    where p.status = 'completed' and p.account_id = any (p_account_ids)
  ), row as materialized (
    select t.id, t.account_id, t.amount_micro, t.created_at, t.status = 'completed' as counts, t.type, nullif(t.job_id, '') as job_id,
      parent.id as parent_id, parent.type as parent_type, parent.amount_micro as parent_micro
    from ledger.asbb_transactions t
    left join parent on parent.transaction_id = t.parent_id and parent.account_id = t.account_id
    where t.account_id = any (p_account_ids)
  ), neighbour as (
    select *, lead(id) over job as next_id, lead(type) over job as next_type, lead(amount_micro) over job as next_micro,
      lead(created_at) over job as next_at,
      job_id is not null and count(*) filter (where type = 'charge') over (partition by account_id, job_id) > 1 as is_one_of_several
    from row
    where counts and type in ('charge', 'refund') and (type = 'charge' or parent_id is null)
    window job as (partition by account_id, job_id order by id)
  ), charge as materialized (
    select id, account_id, amount_micro, created_at, case when is_paired then next_id end as release_id,
      amount_micro + case when is_paired then next_micro else 0 end as held, is_one_of_several, job_id,
      case when parent_type = 'hold' then parent_id end as linked_id, parent_id
    from (
      select *, next_type = 'refund' and next_at - created_at between interval '-60 seconds' and interval '60 seconds' as is_paired
      from neighbour where type = 'charge') c
  ), repeated as materialized (
    select id, again_id from (
      select id, created_at, lag(id) over again as again_id, lag(created_at) over again as again_at
      from charge where is_one_of_several
      window again as (partition by account_id, job_id, amount_micro, parent_id order by id)) c
    where created_at - again_at < interval '30 days'
      and id not in (select parent_id from row where counts and type = 'refund' and parent_type = 'charge')
  ), follower as (
    select id, follows_id from (
      select id, created_at, lag(id) over job as follows_id, lag(created_at) over job as follows_at
      from charge where is_one_of_several and id not in (select id from repeated)
      window job as (partition by account_id, job_id order by id)) c
    where created_at - follows_at < interval '30 days'
  ), linked as materialized (
    -- A hold is charged once; whoever else names it has repeated himself.
    select distinct on (linked_id) linked_id as hold_id, id as charge_id, amount_micro, release_id from charge
    where linked_id is not null and id not in (select id from repeated) order by linked_id, id
  ), given_back as materialized (
    select parent_id as hold_id, min(id) as release_id from row
    where counts and type = 'refund' and parent_type = 'hold' group by parent_id
  ), step as (
    select account_id, amount_micro as held, 1 as step, id, created_at, null::bigint as charge_micro, null::bigint as release_id from row
    where type = 'hold' and counts and id not in (select hold_id from linked) and id not in (select hold_id from given_back)
    union all
    select account_id, held, -1, id, created_at, amount_micro, release_id from charge
    where linked_id is null and id not in (select id from repeated)
  ), walked as (
    select *, sum(step) over walk as level, count(*) filter (where step = 1) over walk as holds
    from step
    window walk as (partition by account_id, held order by created_at, step desc, id rows unbounded preceding)
  ), judged as (
    select *, least(0, min(level) over (
      partition by account_id, held order by created_at, step desc, id rows between unbounded preceding and 1 preceding)) as lowest
    from walked
  ), queued as materialized (
    -- Below all that was before and below zero: there was no hold of that amount left to belong to. The others keep their places.
    select account_id, held, step, id, created_at, charge_micro, release_id, step = -1 and level < lowest as is_lonely,
      case when step = 1 then holds else holds - level + lowest end as place
    from judged
  ), matched as materialized (
    select h.account_id, h.held, h.id as hold_id, h.created_at, c.id as charge_id, c.charge_micro, c.release_id
    from queued h
    left join queued c on c.account_id = h.account_id and c.held = h.held and c.place = h.place and c.step = -1 and not c.is_lonely
    where h.step = 1
  ), candidate as materialized (
    -- The number of the hold, where it is the only one: a sum is taken over a window that moves at the cost of one step.
    select *, count(*) filter (where step = 1) over (
        partition by account_id order by created_at range between 2 * p_timeout preceding and current row) as holds_before,
      sum(id) filter (where step = 1) over (
        partition by account_id order by created_at range between 2 * p_timeout preceding and current row) as hold_id,
      count(*) filter (where step = -1) over (
        partition by account_id order by created_at range between current row and 2 * p_timeout following) as charges_after
    from (
      select account_id, 1 as step, hold_id as id, created_at, held from matched where charge_id is null
      union all
      select account_id, step, id, created_at, held from queued where is_lonely and release_id is null and charge_micro > 0) left_over
  ), pair as materialized (
    select l.hold_id, h.amount_micro as hold_micro, l.charge_id, l.amount_micro as charge_micro, coalesce(l.release_id, g.release_id) as release_id,
      'linked' as how
    from linked l join row h on h.id = l.hold_id left join given_back g on g.hold_id = l.hold_id
    union all
    select g.hold_id, h.amount_micro, null, null, g.release_id, 'linked'
    from given_back g join row h on h.id = g.hold_id where g.hold_id not in (select hold_id from linked)
    union all
    select hold_id, held, charge_id, charge_micro, release_id, 'inferred' from matched where charge_id is not null
    union all
    select h.id, h.held, c.id, c.held, null, 'inferred'
    from candidate c join candidate h on h.id = c.hold_id and h.step = 1
    where c.step = -1 and c.holds_before = 1 and h.charges_after = 1 and h.held < c.held
  ), belonging as (
    -- The refund beside a charge that has its hold is what the hold gave back.
    select hold_id as id, null::bigint as hold_id, null::bigint as hold_micro, charge_id, charge_micro, null::bigint as release_id, how from pair
    union all
    select charge_id, hold_id, hold_micro, null, null, release_id, how from pair where charge_id is not null
    union all
    select release_id, hold_id, hold_micro, charge_id, null, null, how from pair where release_id is not null
  ), refunded as (
    select id, parent_id, least(amount_micro, greatest(0, parent_micro - before)) as applied_micro
    from (
      select id, parent_id, amount_micro, parent_micro,
        coalesce(sum(amount_micro) over (partition by parent_id order by id rows between unbounded preceding and 1 preceding), 0) as before
      from row where counts and type = 'refund' and parent_type = 'charge') r
  )
  insert into ledger.asbb_readings (
    id, account_id, role, hold_id, hold_micro, charge_id, release_id, how, repeats_id, follows_id, applied_micro)
  select r.id, r.account_id,
    case
      when not r.counts or r.type not in ('hold', 'charge', 'refund') then 'void'
      when r.type = 'hold' and b.id is not null then case when b.charge_micro >= 0 then 'settled' else 'released' end
      when r.type = 'hold' then case when r.created_at <= p_at - 2 * p_timeout then 'closed' else 'open' end
      when r.type = 'charge' then case when r.amount_micro < 0 then 'negative' else 'charge' end
      when refunded.applied_micro > 0 then 'refund'
      when b.id is not null then 'release'
      else 'void'
    end,
    b.hold_id, b.hold_micro, coalesce(b.charge_id, refunded.parent_id), b.release_id, b.how, repeated.again_id, follower.follows_id,
    case
      when not r.counts then 0
      when r.type in ('hold', 'charge') then r.amount_micro
      else coalesce(refunded.applied_micro, 0)
    end
  from row r
  left join belonging b on b.id = r.id
  left join repeated on repeated.id = r.id
  left join follower on follower.id = r.id
  left join refunded on refunded.id = r.id;

  insert into ledger.asbb_balances (
    account_id, given_micro, used_micro, repeated_micro, open_micro, closed_micro, last_id, rows)
  select a.id,
    coalesce(-sum(r.applied_micro) filter (where r.role = 'negative'), 0),
    coalesce(sum(r.applied_micro) filter (where r.role in ('charge', 'negative')), 0) - coalesce(sum(r.applied_micro) filter (where r.role = 'refund'), 0),
    coalesce(sum(r.applied_micro) filter (where r.role = 'charge' and r.repeats_id is not null), 0),
    coalesce(sum(r.applied_micro) filter (where r.role = 'open'), 0),
    coalesce(sum(r.applied_micro) filter (where r.role = 'closed'), 0),
    max(r.id), count(r.id)
  from ledger.asbb_accounts a left join ledger.asbb_readings r on r.account_id = a.id and r.account_id = any (p_account_ids)
  where a.id = any (p_account_ids)
  group by a.id;
end;
$$;
