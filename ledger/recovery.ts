/** Finds the stories that nobody tells any more, and has them told again. */
import { Fault } from '../domain/faults';
import type { Sql } from '../platform/postgres';
import type { Recovery, Suspect } from './contract';
import { ask } from './errors';

export interface RecoveryOptions {
  sql: Sql;
  /** How late a story may be before it counts as lost: workers queue, timers fire late. Default 10 minutes. */
  marginSeconds?: number;
}

/** To the millisecond, as a chapter has it. */
const dueMs = (sql: Sql, table: string) =>
  sql`ceil(extract(epoch from ${sql(table)}.due_at) * 1000)::float8 as "dueMs"`;

export function openRecovery({ sql, marginSeconds = 600 }: RecoveryOptions): Recovery {
  return {
    /**
     * A story is lost if it should have looked at the ledger long ago and has not; an open hold that never had a story
     * should have had one since it was placed. What waits in the outbox is about to be told.
     */
    strays: (limit) =>
      ask(
        () => sql<Suspect[]>`
          with late as (
            select h.hold_no, coalesce(s.generation, 0) as generation, coalesce(s.due_at, h.placed_at) as since, s.due_at
            from ledger.holds h
            left join ledger.stories s on s.hold_no = h.hold_no
            where h.status = 'open' and coalesce(h.group_no, h.hold_no) = h.hold_no
              and coalesce(s.due_at, h.placed_at) < clock_timestamp() - ${marginSeconds}::int * interval '1 second'
            union
            -- Holds that are closed while something of their job has no price yet.
            select s.hold_no, s.generation, s.due_at, s.due_at
            from ledger.jobs j join ledger.stories s on s.hold_no = j.hold_no
            where j.quarantined and s.due_at < clock_timestamp() - ${marginSeconds}::int * interval '1 second'
          )
          select h.hold_id as "holdId", c.name as cluster, late.generation, ${dueMs(sql, 'late')}
          from late
          join ledger.holds h on h.hold_no = late.hold_no
          join ledger.clusters c on c.cluster_no = h.cluster_no
          where not exists (select from ledger.outbox o where o.hold_no = late.hold_no)
          order by late.since
          limit ${limit}`,
      ),

    async open(limit, after) {
      const [last] =
        after === undefined
          ? [{ holdNo: 0n }]
          : await ask(
              () => sql<{ holdNo: bigint }[]>`
        select hold_no as "holdNo" from ledger.holds where hold_id = ${after}`,
            );
      if (!last) throw new Fault('hold_not_found', `There is no hold ${after}.`, { facts: { hold_id: after } });
      return ask(
        () => sql<Suspect[]>`
          select h.hold_id as "holdId", c.name as cluster, coalesce(s.generation, 0) as generation, ${dueMs(sql, 's')}
          from ledger.holds h
          left join ledger.stories s on s.hold_no = h.hold_no
          join ledger.clusters c on c.cluster_no = h.cluster_no
          where h.status = 'open' and coalesce(h.group_no, h.hold_no) = h.hold_no
            and h.hold_no > ${last.holdNo}
            and not exists (select from ledger.outbox o where o.hold_no = h.hold_no)
          order by h.hold_no
          limit ${limit}`,
      );
    },

    async restart(items) {
      const rows = JSON.stringify(items.map(({ holdId, generation }) => ({ hold_id: holdId, generation })));
      await ask(
        () => sql`
          with wanted as (
            select coalesce(h.group_no, h.hold_no) as hold_no, max(r.generation) as generation
            from jsonb_to_recordset(${rows}::text::jsonb) as r (hold_id text, generation int)
            join ledger.holds h on h.hold_id = r.hold_id
            group by 1
            order by 1
          ), remembered as (
            insert into ledger.stories (hold_no, generation)
            select hold_no, generation from wanted
            on conflict (hold_no) do update set generation = greatest(stories.generation, excluded.generation)
          )
          insert into ledger.outbox (hold_no, kind, generation)
          select w.hold_no, 'start', w.generation from wanted w
          where not exists (
            select from ledger.outbox o where o.hold_no = w.hold_no and o.kind = 'start' and o.generation >= w.generation)`,
      );
    },

    async over(holdIds) {
      const rows = await ask(
        () => sql<{ holdId: string }[]>`
          select asked.hold_id as "holdId"
          from unnest(${holdIds}::text[]) as asked (hold_id)
          left join ledger.holds h on h.hold_id = asked.hold_id
          where not exists (
              select from ledger.holds o where (o.hold_no = h.hold_no or o.group_no = h.hold_no) and o.status = 'open')
            and not exists (select from ledger.jobs j where j.hold_no = h.hold_no and j.quarantined)`,
      );
      return rows.map(({ holdId }) => holdId);
    },
  };
}
