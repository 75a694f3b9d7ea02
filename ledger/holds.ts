/** Holds as they stand: reading them, finding them, changing how much they hold, giving them back. */
import { Fault } from '../domain/faults';
import type { FundId, TransactionId } from '../domain/ids';
import { toMicro, type Micro } from '../domain/money';
import { renderRefusal, type Refusal } from '../domain/refusal';
import type { Sql } from '../platform/postgres';
import { ask } from './errors';
import type { Caller, Hold, Holds, Page, Paged } from './types';

interface HoldRow {
  holdNo: bigint;
  holdId: TransactionId;
  key: string | null;
  account: string;
  unit: string;
  cluster: string;
  partition: string;
  user: string | null;
  status: Hold['status'];
  placed: bigint;
  held: bigint;
  charged: bigint;
  released: bigint;
  late: boolean;
  overdueAt: string | null;
  effectiveAt: string;
  placedAt: string;
  closedAt: string | null;
  group: TransactionId | null;
  jobId: string | null;
  parts: { fundId: FundId; source: string; held: string }[];
}

interface ResizeAnswer {
  hold_id: string;
  refusal?: Refusal;
  account?: string;
  unit?: string;
  requested?: string;
}

export function openHolds({ sql }: { sql: Sql }): Holds {
  async function read(holdId: string): Promise<Hold> {
    const [hold] = await holdsWhere(sql, sql`h.hold_id = ${holdId}`, 1);
    if (!hold) throw new Fault('hold_not_found', `There is no hold ${holdId}.`, { facts: { hold_id: holdId } });
    return renderHold(hold);
  }

  return {
    read,

    async findByKey(principal, key) {
      const [hold] = await holdsWhere(
        sql,
        sql`h.hold_no = (
          select decision_no from ledger.decisions where key = ${key} and principal = ${principal} and code = 'placed')`,
        1,
      );
      if (!hold) {
        throw new Fault('hold_not_found', `No hold was placed with the key "${key}".`, { facts: { key } });
      }
      return renderHold(hold);
    },

    list: async (filter, page) => {
      const rows = await holdsWhere(
        sql,
        sql`(${filter.account ?? null}::text is null or a.name = ${filter.account ?? null})
          and (${filter.cluster ?? null}::text is null or c.name = ${filter.cluster ?? null})
          and (${filter.user ?? null}::text is null or h.user_name = ${filter.user ?? null})
          and (${filter.status ?? null}::text is null or h.status = ${filter.status ?? null})
          and (${filter.overdue ?? null}::boolean is null or (h.overdue_at is not null) = ${filter.overdue ?? null})
          and (${filter.late ?? null}::boolean is null or h.late = ${filter.late ?? null})
          and h.hold_no < ${cursorOf(page)}`,
        page.limit + 1,
        page.offset,
      );
      return pageOf(rows, page);
    },

    async resize(holdId, amount, reason, caller) {
      const [row] = await ask(
        () => sql<{ answer: ResizeAnswer }[]>`
          select ledger.resize_hold(${holdId}, ${amount}, ${reason}, ${caller.principal}, ${caller.key ?? null},
            ${hashOf(caller)}) as answer`,
      );
      if (!row) throw new Error('resize_hold gave no row');
      if (row.answer.refusal) throw refusalOf(row.answer, row.answer.refusal);
      return read(holdId);
    },

    async release(holdId, reason, caller) {
      // The story is rung in the same commit: it ends with its hold, and should not find out a day later.
      await ask(
        () => sql`
          select ledger.close_hold(${holdId}, ${reason}, ${caller.principal}, null, null),
            ledger.ring_stories(array(
              select coalesce(group_no, hold_no) from ledger.holds where hold_id = ${holdId} and status = 'open'))`,
      );
      return read(holdId);
    },
  };
}

/** A hold that may not grow: the same sentence and the same facts as a check that is refused. */
function refusalOf(answer: ResizeAnswer, refusal: Refusal): Fault {
  const requested = toMicro(BigInt(answer.requested ?? '0'));
  const { code, message, explanation } = renderRefusal(refusal, {
    account: answer.account ?? '',
    unit: answer.unit ?? '',
    holdAmount: requested,
    uncappedHold: requested,
  });
  return new Fault(code, message, { facts: explanation });
}

const hashOf = (caller: Caller): Buffer | null => (caller.bodyHash === undefined ? null : Buffer.from(caller.bodyHash));

const LARGEST = 9_223_372_036_854_775_807n;

/** The cursor is the number of the last hold of the page before; newest first. */
function cursorOf({ cursor }: Page): bigint {
  if (cursor === undefined) return LARGEST;
  if (!/^\d{1,18}$/.test(cursor)) {
    throw new Fault('malformed_request', 'This page cursor is not one that a list of holds has given.', {
      errors: [{ pointer: '/cursor', detail: 'take it from the Link header of the page before' }],
    });
  }
  return BigInt(cursor);
}

function pageOf(rows: HoldRow[], { limit }: Page): Paged<Hold> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return {
    rows: shown.map(renderHold),
    ...(rows.length > limit && last ? { nextCursor: last.holdNo.toString() } : {}),
  };
}

const holdsWhere = (sql: Sql, condition: ReturnType<Sql>, limit: number, offset = 0): Promise<HoldRow[]> =>
  ask(
    () => sql<HoldRow[]>`
      select h.hold_no as "holdNo", h.hold_id as "holdId", d.key, a.name as account, a.unit, c.name as cluster, h.partition,
        h.user_name as "user", h.status, h.placed_micro as placed, h.held_micro as held, h.charged_micro as charged,
        h.released_micro as released, h.late, h.overdue_at as "overdueAt", h.effective_at as "effectiveAt",
        h.placed_at as "placedAt", h.closed_at as "closedAt", leader.hold_id as "group", job.job_id as "jobId",
        coalesce(parts.parts, '[]') as parts
      from ledger.holds h
      join ledger.accounts a on a.account_no = h.account_no
      join ledger.clusters c on c.cluster_no = h.cluster_no
      left join ledger.decisions d on d.decision_no = coalesce(h.group_no, h.hold_no)
      left join ledger.holds leader on leader.hold_no = h.group_no
      left join lateral (
        select j.job_id from ledger.jobs j where j.hold_no = h.hold_no order by j.job_no desc limit 1) job on true
      left join lateral (
        select jsonb_agg(jsonb_build_object('fundId', f.fund_id, 'source', f.source, 'held', p.held_micro::text)
          order by f.closes_at, f.fund_no) as parts
        from ledger.hold_parts p join ledger.funds f using (fund_no)
        where p.hold_no = h.hold_no) parts on true
      where ${condition}
      order by h.hold_no desc
      limit ${limit} offset ${offset}`,
  );

const renderHold = (row: HoldRow): Hold => ({
  holdId: row.holdId,
  ...(row.key === null ? {} : { key: row.key }),
  account: row.account,
  unit: row.unit,
  cluster: row.cluster,
  partition: row.partition,
  ...(row.user === null ? {} : { user: row.user }),
  status: row.status,
  placed: toMicro(row.placed),
  held: toMicro(row.held),
  charged: toMicro(row.charged),
  released: toMicro(row.released),
  late: row.late,
  ...(row.overdueAt === null ? {} : { overdueAt: row.overdueAt }),
  effectiveAt: row.effectiveAt,
  placedAt: row.placedAt,
  ...(row.closedAt === null ? {} : { closedAt: row.closedAt }),
  ...(row.group === null ? {} : { group: row.group }),
  ...(row.jobId === null ? {} : { jobId: row.jobId }),
  parts: row.parts.map(({ fundId, source, held }): Hold['parts'][number] => ({ fundId, source, held: microOf(held) })),
});

const microOf = (text: string): Micro => toMicro(BigInt(text));
