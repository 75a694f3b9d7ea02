/** Refunds as they are shown, with the records that they were made from, and the notices to their users. */
import type { TransactionId } from '../domain/ids';
import { toMicro } from '../domain/money';
import type { RefundPolicy } from '../domain/policy';
import type { Instant } from '../domain/time';
import type { Sql } from '../platform/postgres';
import type { Notice, NoticeStatus, Page, Paged, Refund, Refunds } from './contract';
import { ask } from './errors';
import { cursorOf, pageOf, rowsAsked } from './paging';
import { requireAccount } from './require-account';
import { requireClusterOfNone } from './require-cluster';
import { instantOf } from './rows';

interface RefundRow {
  txnNo: bigint;
  transactionId: TransactionId;
  chargeId: TransactionId;
  account: string;
  unit: string;
  amount: bigint;
  charged: bigint;
  refunded: bigint;
  reason: Refund['reason'];
  policy: RefundPolicy | null;
  description: string;
  actor: string;
  cluster: string;
  jobId: string;
  user: string | null;
  refundedAt: Instant;
  evidence: { type: string; at: string; recorded_at: string; record: unknown } | null;
  noticeNo: bigint | null;
  noticeStatus: NoticeStatus | null;
  address: string | null;
  attempts: number | null;
  lastError: string | null;
  closedAt: Instant | null;
  noticedAt: Instant | null;
}

export function openRefunds({ sql }: { sql: Sql }): Refunds {
  const where = (condition: ReturnType<Sql>, limit: number, offset = 0) => sql<RefundRow[]>`
    select t.txn_no as "txnNo", t.transaction_id as "transactionId", paid.transaction_id as "chargeId", a.name as account,
      a.unit, t.amount_micro as amount, ch.amount_micro + ch.adjusted_micro as charged, ch.refunded_micro as refunded,
      coalesce(r.reason, 'manual') as reason, r.policy, t.description, t.actor, c.name as cluster, ch.job_id as "jobId",
      ch.user_name as "user", t.recorded_at as "refundedAt", case when r.refund_no is not null then t.metadata -> 'evidence' end as evidence,
      n.notice_no as "noticeNo", n.status as "noticeStatus", n.address, n.attempts, n.last_error as "lastError",
      n.closed_at as "closedAt", n.created_at as "noticedAt"
    from ledger.transactions t
    join ledger.charges ch on ch.charge_no = t.charge_no
    join ledger.transactions paid on paid.txn_no = ch.charge_no
    join ledger.accounts a on a.account_no = t.account_no
    join ledger.clusters c on c.cluster_no = ch.cluster_no
    left join ledger.run_refunds r on r.refund_no = t.txn_no
    left join ledger.notices n on n.refund_no = t.txn_no
    where t.kind = 'refund' and ${condition}
    order by t.txn_no desc
    limit ${limit} offset ${offset}`;

  return {
    list: (filter, page) => ask(() => list(sql, where, filter, page)),

    async waitingNotices(limit, hours) {
      await ask(
        () => sql`
          update ledger.notices
          set status = 'given_up', closed_at = clock_timestamp(), last_error = coalesce(last_error, 'it was too old to be sent')
          where status = 'waiting' and created_at < clock_timestamp() - make_interval(hours => ${hours})`,
      );
      // Those that were tried least first: mailboxes that take nothing do not stand in the way of the others.
      const rows = await ask(
        () => sql<{ noticeNo: bigint }[]>`
          select notice_no as "noticeNo" from ledger.notices
          where status = 'waiting' order by attempts, notice_no limit ${limit}`,
      );
      return rows.map(({ noticeNo }) => Number(noticeNo));
    },

    async readNotice(noticeNo) {
      const [row] = await ask(() => where(sql`n.notice_no = ${noticeNo} and n.status = 'waiting'`, 1));
      return row && noticeOf(row);
    },

    async noteNotice(noticeNo, outcome) {
      const { status, address = null } = outcome;
      const error = outcome.status === 'sent' ? null : outcome.error;
      await ask(
        () => sql`
          update ledger.notices
          set status = ${status}, attempts = attempts + 1, address = coalesce(${address}, address), last_error = ${error},
            closed_at = case when ${status} <> 'waiting' then clock_timestamp() end
          where notice_no = ${noticeNo} and status = 'waiting'`,
      );
    },
  };
}

async function list(
  sql: Sql,
  where: (condition: ReturnType<Sql>, limit: number, offset?: number) => PromiseLike<RefundRow[]>,
  filter: Parameters<Refunds['list']>[0],
  page: Page,
): Promise<Paged<Refund>> {
  const { account, user, cluster, jobId, reason, from, to } = filter;
  const accountNo = account === undefined ? undefined : await requireAccount(sql, account);
  const conditions = [
    ...(accountNo === undefined ? [] : [sql`t.account_no = ${accountNo}`]),
    ...(user === undefined ? [] : [sql`ch.user_name = ${user}`]),
    ...(cluster === undefined ? [] : [sql`c.name = ${cluster}`]),
    ...(jobId === undefined ? [] : [sql`ch.job_id = ${jobId}`]),
    ...(reason === undefined ? [] : [reason === 'manual' ? sql`r.refund_no is null` : sql`r.reason = ${reason}`]),
    ...(from === undefined ? [] : [sql`t.recorded_at >= ${from}`]),
    ...(to === undefined ? [] : [sql`t.recorded_at <= ${to}`]),
  ];
  const all = conditions.reduce<ReturnType<Sql>>(
    (some, condition) => sql`${some} and ${condition}`,
    sql`t.txn_no < ${cursorOf(page)}`,
  );
  const rows = await where(all, rowsAsked(page), page.offset);
  await requireClusterOfNone(sql, rows, cluster);
  const { rows: shown, ...next } = pageOf(rows, page, ({ txnNo }) => txnNo);
  return { rows: shown.map(refundOf), ...next };
}

const refundOf = (row: RefundRow): Refund => ({
  transactionId: row.transactionId,
  chargeId: row.chargeId,
  account: row.account,
  unit: row.unit,
  amount: toMicro(row.amount),
  charged: toMicro(row.charged),
  refunded: toMicro(row.refunded),
  reason: row.reason,
  ...(row.policy === null ? {} : { policy: row.policy }),
  description: row.description,
  actor: row.actor,
  cluster: row.cluster,
  jobId: row.jobId,
  ...(row.user === null ? {} : { user: row.user }),
  refundedAt: row.refundedAt,
  ...(row.evidence === null
    ? {}
    : {
        evidence: {
          type: row.evidence.type,
          at: instantOf(row.evidence.at),
          recordedAt: instantOf(row.evidence.recorded_at),
          record: row.evidence.record,
        },
      }),
  ...(row.noticeStatus === null
    ? {}
    : {
        notice: {
          status: row.noticeStatus,
          ...(row.address === null ? {} : { address: row.address }),
          ...(row.lastError === null ? {} : { lastError: row.lastError }),
          ...(row.closedAt === null ? {} : { closedAt: row.closedAt }),
        },
      }),
});

function noticeOf(row: RefundRow): Notice | undefined {
  const { noticeNo, user, attempts, noticedAt } = row;
  if (noticeNo === null || user === null || attempts === null || noticedAt === null) return undefined;
  return { ...refundOf(row), noticeNo: Number(noticeNo), user, attempts, createdAt: noticedAt };
}
