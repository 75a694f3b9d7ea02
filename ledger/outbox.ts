/**
 * The outbox: stories that Temporal has yet to hear of. Rows are written by the transactions that have the news, so a
 * commit is all it takes to be told; a dispatcher leases them, tells Temporal, and forgets them.
 */
import type { Sql } from '../platform/postgres';
import { chapterOf, tellWithoutPrices } from './chapters';
import type { Outbox, OutboxItem } from './contract';
import { ask } from './errors';
import { loadManyFacts } from './story-facts';

interface ClaimedRow {
  outboxNo: bigint;
  holdNo: bigint;
  kind: OutboxItem['kind'];
  generation: number;
}

export function openOutbox({ sql }: { sql: Sql }): Outbox {
  return {
    async claim(limit, leaseMs, patienceMs = 0) {
      const claimed = await ask(
        () => sql<ClaimedRow[]>`
          select outbox_no as "outboxNo", hold_no as "holdNo", kind, generation
          from ledger.lease_outbox(${limit}::int, ${leaseMs}::int, ${patienceMs}::int)`,
      );
      if (claimed.length === 0) return [];
      // Read after the lease: whatever was recorded before it is in the chapter, whatever comes after it rings again.
      const facts = await loadManyFacts(sql, [...new Set(claimed.map(({ holdNo }) => holdNo))]);
      const items: OutboxItem[] = [];
      const dues = new Map<bigint, { dueAt: bigint | undefined; generation: number }>();
      for (const { outboxNo, holdNo, kind, generation } of claimed) {
        const own = facts.get(holdNo);
        if (!own) continue; // No such hold: left to its lease, for the audit to find.
        const story = tellWithoutPrices(own);
        const chapter = chapterOf(own, story);
        dues.set(holdNo, { dueAt: story.deadline, generation });
        items.push({
          outboxNo,
          kind,
          generation,
          holdId: chapter.holdId,
          cluster: chapter.cluster,
          account: chapter.account,
          ...(chapter.jobId === undefined ? {} : { jobId: chapter.jobId }),
          chapter,
        });
      }
      await remember(sql, dues);
      return items;
    },

    async done(outboxNos) {
      await ask(() => sql`select ledger.forget_outbox(${outboxNos.map(String)}::bigint[])`);
    },

    async giveBack(outboxNos) {
      // A lease that has ended, not none: see outbox_one_unclaimed_ring.
      await ask(
        () => sql`
          update ledger.outbox set leased_until = '-infinity' where outbox_no = any (${outboxNos.map(String)}::bigint[])`,
      );
    },

    async depth() {
      const [row] = await ask(
        () => sql<{ waiting: number; oldestSeconds: number }[]>`
          select count(*)::int as waiting,
            coalesce(greatest(0, extract(epoch from clock_timestamp() - min(created_at))), 0)::float8 as "oldestSeconds"
          from ledger.outbox`,
      );
      return row ?? { waiting: 0, oldestSeconds: 0 };
    },
  };
}

/** From here on the sweep can tell a story that is late from one that is not. */
async function remember(sql: Sql, dues: Map<bigint, { dueAt: bigint | undefined; generation: number }>): Promise<void> {
  const rows = JSON.stringify(
    [...dues].map(([holdNo, { dueAt, generation }]) => ({
      hold_no: holdNo.toString(),
      due_at: dueAt?.toString() ?? null,
      generation,
    })),
  );
  await ask(() => sql`select ledger.remember_stories(${rows}::text::jsonb)`);
}
