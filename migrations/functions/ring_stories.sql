-- ring_stories puts a doorbell for each story into the outbox, in the transaction that has news for it.
--
-- A story whose start nobody has claimed needs none: its first chapter is read when it is claimed. The share lock makes
-- that certain, since a claim passes over locked rows: either the claim sees this transaction's news, or the news its lease.
create or replace function ledger.ring_stories(p_hold_nos bigint[]) returns void
language plpgsql volatile
as $$
declare
  v_unstarted bigint[];
begin
  select coalesce(array_agg(hold_no), '{}') into v_unstarted
  from (
    select hold_no from ledger.outbox
    where hold_no = any (p_hold_nos) and kind = 'start' and leased_until is null
    order by outbox_no
    for share) start;

  insert into ledger.outbox (hold_no, kind)
  select distinct hold_no, 'ring' from unnest(p_hold_nos) as rung (hold_no)
  where hold_no is not null and hold_no <> all (v_unstarted)
  order by hold_no
  on conflict do nothing;
end;
$$;
