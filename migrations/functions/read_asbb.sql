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
    select p.id, p.transaction_id, p.account_id, p.type
    from (select distinct account_id, parent_id from ledger.asbb_transactions
          where parent_id is not null and account_id = any (p_account_ids)) named
    join ledger.asbb_transactions p on p.transaction_id = named.parent_id and p.account_id = named.account_id
    where p.status = 'completed' and p.account_id = any (p_account_ids)
  ), row as materialized (
    select t.id, t.account_id, t.transaction_id, nullif(t.job_id, '') as job_id, t.type, t.amount_micro, t.status = 'completed' as counts,
      t.created_at, parent.id as parent_id, parent.type as parent_type
    from ledger.asbb_transactions t
    left join parent on parent.transaction_id = t.parent_id and parent.account_id = t.account_id
    where t.account_id = any (p_account_ids)
  ), neighbour as (
    select *, lead(id) over job as next_id, lead(type) over job as next_type, lead(amount_micro) over job as next_micro,
      lead(created_at) over job as next_at, lag(id) over again as again_id, lag(created_at) over again as again_at,
      lag(id) over job as before_id, lag(created_at) over job as before_at
    from row
    where counts and type in ('charge', 'refund') and (type = 'charge' or parent_id is null)
    window job as (partition by account_id, job_id order by id),
      again as (partition by account_id, job_id, type, amount_micro, parent_id order by id)
  ), charge as materialized (
    select id, account_id, job_id, amount_micro, created_at, case when parent_type = 'hold' then parent_id end as linked_id,
      case when is_paired then next_id end as release_id, case when is_paired then next_micro else 0 end as release_micro,
      case when job_id is not null and created_at - again_at < interval '30 days' and id not in (
        select parent_id from row where counts and type = 'refund' and parent_type = 'charge') then again_id end as repeats_id
    from (
      select *, next_type = 'refund' and abs(extract(epoch from next_at - created_at)) <= 60 as is_paired
      from neighbour where type = 'charge') c
  ), follower as (
    select id, lag(id) over w as follows_id, lag(created_at) over w as follows_at
    from charge where job_id is not null and repeats_id is null
    window w as (partition by account_id, job_id order by id)
  ), linked as materialized (
    -- A hold is charged once; whoever else names it has repeated himself.
    select distinct on (linked_id) linked_id as hold_id, id as charge_id from charge
    where linked_id is not null and repeats_id is null order by linked_id, id
  ), given_back as (
    select parent_id as hold_id, min(id) as release_id from row
    where counts and type = 'refund' and parent_type = 'hold' group by parent_id
  ), step as (
    select account_id, amount_micro as held, 1 as step, id, created_at from row
    where type = 'hold' and counts and id not in (select hold_id from linked) and id not in (select hold_id from given_back)
    union all
    select account_id, amount_micro + release_micro, -1, id, created_at from charge
    where repeats_id is null and linked_id is null
  ), walked as (
    select *, sum(step) over (partition by account_id, held order by created_at, step desc, id) as level from step
  ), judged as (
    -- Below all that was before and below zero: there was no hold of that amount left to belong to.
    select *, step = -1 and level < least(0, min(level) over (
        partition by account_id, held order by created_at, step desc, id rows between unbounded preceding and 1 preceding)) as is_lonely
    from walked
  ), queued as materialized (
    select *, row_number() over (partition by account_id, held, step, is_lonely order by created_at, id) as place from judged
  ), summed as materialized (
    select h.id as hold_id, c.id as charge_id
    from queued h join queued c on c.account_id = h.account_id and c.held = h.held and c.place = h.place
    where h.step = 1 and c.step = -1 and not c.is_lonely
  ), left_over as (
    select q.account_id, q.step, q.id, q.created_at, q.held
    from queued q
    left join (select hold_id as id from summed union all select charge_id from summed) done on done.id = q.id
    left join charge c on c.id = q.id
    where done.id is null and (q.step = 1 or (c.release_id is null and c.amount_micro > 0))
  ), candidate as (
    select *, count(*) filter (where step = 1) over (
        partition by account_id order by created_at range between 2 * p_timeout preceding and current row) as holds_before,
      max(id) filter (where step = 1) over (
        partition by account_id order by created_at range between 2 * p_timeout preceding and current row) as hold_id,
      count(*) filter (where step = -1) over (
        partition by account_id order by created_at range between current row and 2 * p_timeout following) as charges_after
    from left_over
  ), exceeded as (
    select h.id as hold_id, c.id as charge_id
    from candidate c join candidate h on h.id = c.hold_id and h.step = 1
    where c.step = -1 and c.holds_before = 1 and h.charges_after = 1 and h.held < c.held
  ), pair as materialized (
    select hold_id, charge_id, 'linked' as how from linked
    union all select hold_id, charge_id, 'inferred' from summed
    union all select hold_id, charge_id, 'inferred' from exceeded
  ), belonging as materialized (
    -- The refund beside a charge that has its hold is what the hold gave back.
    select pair.hold_id, pair.charge_id, coalesce(charge.release_id, g.release_id) as release_id, pair.how
    from pair join charge on charge.id = pair.charge_id left join given_back g on g.hold_id = pair.hold_id
    union all
    select g.hold_id, null, g.release_id, 'linked' from given_back g where g.hold_id not in (select hold_id from linked)
  ), refunded as (
    select id, parent_id, least(amount_micro, greatest(0, whole - before)) as applied_micro
    from (
      select r.id, r.parent_id, r.amount_micro, c.amount_micro as whole,
        coalesce(sum(r.amount_micro) over (partition by r.parent_id order by r.id rows between unbounded preceding and 1 preceding), 0) as before
      from row r join charge c on c.id = r.parent_id
      where r.counts and r.type = 'refund') r
  )
  insert into ledger.asbb_readings (
    id, account_id, role, hold_id, hold_micro, charge_id, release_id, how, repeats_id, follows_id, applied_micro)
  select r.id, r.account_id,
    case
      when not r.counts or r.type not in ('hold', 'charge', 'refund') then 'void'
      when r.type = 'hold' and own.hold_id is not null then case when paid.amount_micro >= 0 then 'settled' else 'released' end
      when r.type = 'hold' then case when r.created_at <= p_at - 2 * p_timeout then 'closed' else 'open' end
      when r.type = 'charge' then case when r.amount_micro < 0 then 'negative' else 'charge' end
      when refunded.applied_micro > 0 then 'refund'
      when back.hold_id is not null then 'release'
      else 'void'
    end,
    coalesce(cost.hold_id, back.hold_id), held.amount_micro, coalesce(own.charge_id, back.charge_id, refunded.parent_id), cost.release_id,
    coalesce(own.how, cost.how, back.how), c.repeats_id,
    case when r.created_at - f.follows_at < interval '30 days' then f.follows_id end,
    case
      when not r.counts then 0
      when r.type in ('hold', 'charge') then r.amount_micro
      else coalesce(refunded.applied_micro, 0)
    end
  from row r
  left join belonging own on own.hold_id = r.id
  left join charge paid on paid.id = own.charge_id
  left join charge c on c.id = r.id
  left join follower f on f.id = r.id
  left join belonging cost on cost.charge_id = r.id
  left join belonging back on back.release_id = r.id
  left join row held on held.id = coalesce(cost.hold_id, back.hold_id)
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
