/** Holds as they stand: reading them, finding them, changing how much they hold, giving them back. */
import { Fault } from '../domain/faults';
import type { FundId, TransactionId } from '../domain/ids';
import { toMicro, type Micro } from '../domain/money';
import { renderRefusal, type Refusal } from '../domain/refusal';
import type { Sql } from '../platform/postgres';
import type { Caller, Hold, Holds } from './contract';
import { ask } from './errors';
import { cursorOf, pageOf, rowsAsked } from './paging';
import { requireAccount } from './require-account';
import { requireClusterOfNone } from './require-cluster';
import { instantOf, microOf } from './rows';

/** A hold as ledger.describe_hold writes it: amounts are texts of millionths. */
interface HoldRow {
  hold_id: TransactionId;
  key: string | null;
  account: string;
  unit: string;
  cluster: string;
  partition: string;
  user: string | null;
  status: Hold['status'];
  placed_micro: string;
  resized_micro: string;
  /** Not in answers that were kept for their key before it was looked at. */
  given_back_micro?: string;
  held_micro: string;
  charged_micro: string;
  released_micro: string;
  late: boolean;
  overdue_at: string | null;
  /** Not in answers that were kept for their key before there were spares. */
  use_by?: string | null;
  effective_at: string;
  placed_at: string;
  closed_at: string | null;
  group: TransactionId | null;
  job_id: string | null;
  parts: { fund_id: FundId; source: string; held_micro: string }[];
}

interface NumberedHold {
  holdNo: bigint;
  hold: HoldRow;
}

type ResizeAnswer =
  { hold: HoldRow } | { stale: true } | { refusal: Refusal; account: string; unit: string; requested: string };

export function openHolds({ sql }: { sql: Sql }): Holds {
  async function read(holdId: string): Promise<Hold> {
    const [row] = await holdsWhere(sql, sql`h.hold_id = ${holdId}`, 1);
    if (!row) throw new Fault('hold_not_found', `There is no hold ${holdId}.`, { facts: { hold_id: holdId } });
    return renderHold(row.hold);
  }

  async function resize(
    holdId: string,
    amount: Micro,
    reason: string,
    { principal, key, bodyHash }: Caller,
    expected: Micro | null,
  ): Promise<Hold | undefined> {
    const [row] = await ask(
      () => sql<{ answer: ResizeAnswer }[]>`
        select ledger.resize_hold(
          ${holdId}, ${amount}, ${reason}, ${principal}, ${key ?? null}, ${bodyHash ?? null}, p_expected_micro => ${expected}) as answer`,
    );
    if (!row) throw new Error('ledger.resize_hold answered nothing');
    if ('stale' in row.answer) return undefined;
    if ('refusal' in row.answer) throw refusalOf(row.answer);
    return renderHold(row.answer.hold);
  }

  return {
    read,

    async findByKey(principal, key) {
      const [row] = await holdsWhere(
        sql,
        sql`h.hold_no = (
          select decision_no from ledger.decisions
          where key = ${key} and principal in (${principal}, 'local') and code = 'placed'
          order by principal = ${principal} desc limit 1)`,
        1,
      );
      if (!row) {
        throw new Fault('hold_not_found', `No hold was placed with the key "${key}".`, { facts: { key } });
      }
      return renderHold(row.hold);
    },

    list: async (filter, page) => {
      if (filter.account !== undefined) await requireAccount(sql, filter.account);
      const rows = await holdsWhere(
        sql,
        sql`(${filter.account ?? null}::text is null or a.name = ${filter.account ?? null})
          and (${filter.cluster ?? null}::text is null or c.name = ${filter.cluster ?? null})
          and (${filter.user ?? null}::text is null or h.user_name = ${filter.user ?? null})
          and (${filter.status ?? null}::text is null or h.status = ${filter.status ?? null})
          and (${filter.overdue ?? null}::boolean is null or (h.overdue_at is not null) = ${filter.overdue ?? null})
          and (${filter.late ?? null}::boolean is null or ledger.came_late(h) = ${filter.late ?? null})
          and h.hold_no < ${cursorOf(page)}`,
        rowsAsked(page),
        page.offset,
      );
      await requireClusterOfNone(sql, rows, filter.cluster);
      const { rows: shown, ...next } = pageOf(rows, page, ({ holdNo }) => holdNo);
      return { rows: shown.map(({ hold }) => renderHold(hold)), ...next };
    },

    async resize(holdId, amount, reason, caller) {
      const hold = await resize(holdId, amount, reason, caller, null);
      if (!hold) throw new Error('ledger.resize_hold expected what it was not told');
      return hold;
    },

    resizeFrom: (expected, holdId, amount, reason, caller) => resize(holdId, amount, reason, caller, expected),

    async release(holdId, reason, { principal, key = null, bodyHash = null }) {
      const [row] = await ask(
        () => sql<{ answer: HoldRow }[]>`
          select ledger.release_hold(${holdId}, ${reason}, ${principal}, ${key}, ${bodyHash}) as answer`,
      );
      if (!row) throw new Error('ledger.release_hold answered nothing');
      return renderHold(row.answer);
    },
  };
}

/** A hold that may not grow: the same sentence and the same facts as a check that is refused. */
function refusalOf({ refusal, account, unit, requested }: Extract<ResizeAnswer, { refusal: Refusal }>): Fault {
  const amount = microOf(requested);
  const { code, message, explanation } = renderRefusal(refusal, {
    account,
    unit,
    holdAmount: amount,
    uncappedHold: amount,
  });
  return new Fault(code, message, { facts: explanation });
}

const holdsWhere = (sql: Sql, condition: ReturnType<Sql>, limit: number, offset = 0): Promise<NumberedHold[]> =>
  ask(
    () => sql<NumberedHold[]>`
      select h.hold_no as "holdNo", ledger.describe_hold(h.hold_no) as hold
      from ledger.holds h
      join ledger.accounts a on a.account_no = h.account_no
      join ledger.clusters c on c.cluster_no = h.cluster_no
      where ${condition}
      order by h.hold_no desc
      limit ${limit} offset ${offset}`,
  );

const renderHold = (row: HoldRow): Hold => ({
  holdId: row.hold_id,
  ...(row.key === null ? {} : { key: row.key }),
  account: row.account,
  unit: row.unit,
  cluster: row.cluster,
  partition: row.partition,
  ...(row.user === null ? {} : { user: row.user }),
  status: row.status,
  placed: microOf(row.placed_micro),
  resized: microOf(row.resized_micro),
  givenBack: microOf(row.given_back_micro ?? '0'),
  held: microOf(row.held_micro),
  charged: microOf(row.charged_micro),
  // What left the hold and did not come back was charged: the audit proves what is held from its lines.
  chargedFromHold: toMicro(
    microOf(row.placed_micro) + microOf(row.resized_micro) - microOf(row.held_micro) - microOf(row.released_micro),
  ),
  released: microOf(row.released_micro),
  late: row.late,
  ...(row.overdue_at === null ? {} : { overdueAt: instantOf(row.overdue_at) }),
  ...(row.use_by ? { useBy: instantOf(row.use_by) } : {}),
  effectiveAt: instantOf(row.effective_at),
  placedAt: instantOf(row.placed_at),
  ...(row.closed_at === null ? {} : { closedAt: instantOf(row.closed_at) }),
  ...(row.group === null ? {} : { group: row.group }),
  ...(row.job_id === null ? {} : { jobId: row.job_id }),
  parts: row.parts.map(({ fund_id, source, held_micro }): Hold['parts'][number] => ({
    fundId: fund_id,
    source,
    held: microOf(held_micro),
  })),
});
