/**
 * What a replay keeps beside the books of its throwaway database: the log, what each of its jobs would ask and do, and what
 * came of it. And the functions that walk a stretch of it on the server by calling the ledger's own, so that a million jobs
 * are not a million round trips.
 */
export const REPLAY_SCHEMA = `
-- Only who looks back at books asks by these.
drop index ledger.transactions_by_id, ledger.transactions_by_account, ledger.transactions_by_other_account,
  ledger.transactions_by_hold, ledger.transactions_by_charge, ledger.transactions_refunds, ledger.charge_pieces_by_charge,
  ledger.charge_pieces_by_time, ledger.charges_by_job, ledger.charges_by_account, ledger.decisions_by_job,
  ledger.decisions_refused_by_job, ledger.decisions_in_shadow, ledger.decisions_enforced, ledger.usage_slices_by_time,
  ledger.outbox_by_hold;

create schema replay;

-- Nor does anybody ask for a movement by its id, and one that says nothing is made in a twentieth of the time.
create sequence replay.ids cache 1000;
create or replace function ledger.new_id(p_kind text) returns text language sql volatile as $$
  select p_kind || '_' || nextval('replay.ids')
$$;

-- The log as it was read. Rows of one job may be far apart.
create unlogged table replay.rows (cluster text, job_id text, line bigint, record text);

create unlogged table replay.jobs (
  job_no int, account_no bigint, account text, user_name text, cluster text, partition text, job_id text, job_name text,
  submitted_at timestamptz, tasks int, unit text,
  held_micro bigint,                           -- what it asks to hold
  cost_micro bigint,                           -- what its runs cost
  unpriced text,
  is_exempt boolean not null default false,    -- neither asked about nor charged
  item jsonb,                                  -- as place_holds takes it; null: nobody could be asked
  request text,                                -- what its refusal is rendered from
  answer jsonb                                 -- of a refusal, or {code, message} where nobody could be asked
);
create unlogged table replay.deeds (job_no int, deed_no int, at timestamptz, acts jsonb);

-- Requeues that found no money for another full run, and what the account's policy would have done with the job.
create unlogged table replay.shortfalls (job_no int, policy text);

-- Submissions (deed 0) and deeds, before they are put in their order.
create unlogged table replay.staged (
  lane int, at bigint, rank int, submitted_at bigint, line bigint, job_no int, deed_no int, tree_no bigint, epoch int, traits int
);

create unlogged table replay.balances (
  account_no bigint, at timestamptz, granted_micro bigint, settled_micro bigint, held_micro bigint, available_micro bigint
);

-- Holds money for those of the jobs that are plainly a yes, tree by tree all or none, and says which.
create function replay.place(p_jobs int[], p_at timestamptz) returns int[] language plpgsql as $$
declare
  v_batch jsonb;
begin
  select jsonb_agg(j.item || jsonb_build_object('n', w.place)) into v_batch
  from unnest(p_jobs) with ordinality as w (job_no, place)
  cross join lateral (select item from replay.jobs where job_no = w.job_no limit 1) j;
  return array(select p_jobs[p.n] from ledger.place_ordinary_holds(v_batch, p_at) p);
end;
$$;

-- Charges and closes, or only closes, those whose deed is plainly that, and says which.
create function replay.settle(p_jobs int[], p_deeds int[], p_now timestamptz) returns int[] language plpgsql as $$
declare
  v_batch jsonb;
begin
  select jsonb_agg(
    case when d.acts #>> '{0,act}' = 'charge' then d.acts #> '{0,request}'
      else (d.acts -> 0) || jsonb_build_object('ended_at', d.acts #> '{0,effective_at}') end
    || jsonb_build_object('n', w.place)) into v_batch
  from unnest(p_jobs, p_deeds) with ordinality as w (job_no, deed_no, place)
  cross join lateral (select acts from replay.deeds where job_no = w.job_no and deed_no = w.deed_no limit 1) d;
  return array(select p_jobs[n] from unnest(ledger.settle_ordinary_runs(v_batch, p_now)) n);
end;
$$;

-- Goes through submissions and deeds one after the other, by every rule, each at its own time. Returns the jobs that were refused.
create function replay.walk(p_jobs int[], p_deeds int[]) returns int[] language plpgsql as $$
declare
  v_refused int[] := '{}';
  v_job record;
  v_deed record;
  v_act jsonb;
  v_event_no bigint;
  v_answer jsonb;
begin
  for i in 1 .. cardinality(p_jobs) loop
    if p_deeds[i] = 0 then
      select item, account_no, submitted_at into strict v_job from replay.jobs where job_no = p_jobs[i];
      select p.answer into v_answer
      from ledger.place_hold_exactly(
        v_job.item || jsonb_build_object('at', v_job.submitted_at), v_job.account_no, v_job.submitted_at) p;
      if v_answer ->> 'code' <> 'placed' then
        update replay.jobs set answer = v_answer where job_no = p_jobs[i];
        v_refused := v_refused || p_jobs[i];
      end if;
      continue;
    end if;
    continue when p_jobs[i] = any (v_refused);
    select at, acts into strict v_deed from replay.deeds where job_no = p_jobs[i] and deed_no = p_deeds[i];
    for v_act in select act from jsonb_array_elements(v_deed.acts) act loop
      if v_act ->> 'act' = 'refund' then
        -- Its evidence is a record of the log, which is no event of these books.
        insert into ledger.job_events (job_no, type, at, facts, fingerprint)
        values (p_jobs[i], 'ended', v_deed.at, '{}', decode(md5(v_act::text), 'hex')) returning event_no into v_event_no;
        v_act := jsonb_set(v_act, '{request,event_no}', to_jsonb(v_event_no::text));
      end if;
      v_answer := ledger.do_act(v_act, v_deed.at);
      if v_answer #>> '{shortfall,why}' = 'requeue' then
        insert into replay.shortfalls (job_no, policy) values (p_jobs[i], v_answer #>> '{shortfall,policy}');
      end if;
    end loop;
  end loop;
  return v_refused;
end;
$$;

-- Writes down what the accounts of these trees have at these moments.
create function replay.sample(p_trees bigint[], p_ats timestamptz[]) returns void language sql as $$
  insert into replay.balances (account_no, at, granted_micro, settled_micro, held_micro, available_micro)
  select a.account_no, w.at, s.granted_micro, t.settled_micro, t.held_micro, s.available_micro
  from unnest(p_trees, p_ats) as w (root_no, at)
  join ledger.accounts a on a.root_no = w.root_no
  join ledger.account_totals t on t.account_no = a.account_no
  cross join lateral ledger.spendable(a.account_no, w.at) s
$$;
`;

/** Once everything is staged. */
export const REPLAY_INDEXES = `
alter table replay.jobs add primary key (job_no);
alter table replay.deeds add primary key (job_no, deed_no);
create unlogged table replay.timeline as
select row_number() over (order by at, rank, submitted_at, line, deed_no) as place, lane, at, job_no, deed_no, tree_no, epoch, traits
from replay.staged;
alter table replay.timeline add primary key (lane, place);
drop table replay.staged;
analyze replay.jobs, replay.deeds, replay.timeline;
`;
