/** What is said of an ASBB database before it is booked: sums, findings, and the balances that ASBB had wrong. */
import { toMicro, type Micro } from '../../domain/money';
import type { Instant } from '../../domain/time';
import type { Sql } from '../../platform/postgres';
import type { AsbbBalance, AsbbFinding, AsbbFindingKind, AsbbPlan } from '../contract/imports';

/** Each kind of finding in words, worst first. */
export const FINDINGS: Readonly<Record<AsbbFindingKind, string>> = {
  used_was_wrong: 'used was wrong in ASBB',
  held_was_wrong: 'held was wrong in ASBB',
  never_released: 'held for ever; the money comes back',
  charged_twice: 'charged twice',
  charged_again: 'charged again with another cost',
  negative_charge: 'negative charge',
  charge_above_hold: 'charge above its hold',
  charge_without_hold: 'charge that no hold fits',
  refund_beyond_charge: 'refund of more than its charge',
  without_effect: 'without effect in ASBB',
  overspent: 'used and held beyond its limit',
  still_open: 'hold imported open',
  status_changed: 'status changed',
  came_later: 'transactions that came after its import',
};

export async function summarise(sql: Sql) {
  const [totals] = await sql<{ accounts: number; accountsHere: number; limits: number; moneyBack: bigint }[]>`
    select (select count(*) from ledger.asbb_accounts)::int as accounts,
      (select count(*) from ledger.asbb_accounts s join ledger.accounts a using (name)
       join ledger.imported_accounts i on i.account_no = a.account_no and i.origin = ledger.asbb_origin(s))::int as "accountsHere",
      (select count(*) from ledger.asbb_limits)::int as limits,
      (select coalesce(sum(closed_micro), 0) from ledger.asbb_balances)::bigint as "moneyBack"`;
  if (!totals) throw new Error('nothing was staged');
  const kinds = await sql<{ kind: AsbbFindingKind; count: number; amount: bigint }[]>`
    select kind, count(*)::int as count, coalesce(sum(amount_micro), 0)::bigint as amount from ledger.asbb_findings group by kind`;
  const leftBehind = await sql<
    AsbbPlan['leftBehind']
  >`select what, name, detail from ledger.asbb_left_behind order by what, name`;
  const found: AsbbPlan['findings'] = {};
  for (const { kind, count, amount } of kinds) found[kind] = { count, amount: toMicro(amount) };
  return {
    ...totals,
    moneyBack: toMicro(totals.moneyBack),
    findings: found,
    leftBehind: [...leftBehind],
  };
}

interface FindingRow {
  kind: AsbbFindingKind;
  account: string;
  transactionId: string | null;
  jobId: string | null;
  at: Instant | null;
  amount: bigint | null;
  detail: string;
}

const findingRows = (sql: Sql, limit: number | null) => sql<FindingRow[]>`
  select f.kind, s.name as account, f.transaction_id as "transactionId", f.job_id as "jobId", f.at, f.amount_micro as amount, f.detail
  from ledger.asbb_findings f join ledger.asbb_accounts s on s.id = f.account_id
  order by array_position(${Object.keys(FINDINGS)}::text[], f.kind), s.name, f.at, f.transaction_id
  limit ${limit}`;

export const findings = async (sql: Sql, limit: number): Promise<AsbbFinding[]> =>
  (await findingRows(sql, limit)).map(toFinding);

export async function everyFinding(sql: Sql, see: (finding: AsbbFinding) => void): Promise<void> {
  await findingRows(sql, null).cursor(1000, (rows) => rows.forEach((row) => see(toFinding(row))));
}

const toFinding = (row: FindingRow): AsbbFinding => ({
  kind: row.kind,
  account: row.account,
  ...(row.transactionId !== null && { transactionId: row.transactionId }),
  ...(row.jobId !== null && { jobId: row.jobId }),
  ...(row.at !== null && { at: row.at }),
  ...(row.amount !== null && { amount: toMicro(row.amount) }),
  detail: row.detail,
});

/** Those that ASBB had wrong, the most wrong first. */
export async function balances(sql: Sql, limit: number): Promise<AsbbBalance[]> {
  const rows = await sql<
    { account: string; limit: bigint; asbbUsed: bigint; asbbHeld: bigint; used: bigint; held: bigint }[]
  >`
    select s.name as account, s.limit_micro as limit, s.used_micro as "asbbUsed", s.held_micro as "asbbHeld",
      b.used_micro as used, b.open_micro as held
    from ledger.asbb_accounts s join ledger.asbb_balances b on b.account_id = s.id
    where (s.used_micro, s.held_micro) is distinct from (b.used_micro, b.open_micro)
    order by abs(s.used_micro + s.held_micro - b.used_micro - b.open_micro) desc nulls first, s.name
    limit ${limit}`;
  return rows.map((row) => ({
    account: row.account,
    limit: toMicro(row.limit),
    asbbUsed: toMicro(row.asbbUsed),
    asbbHeld: toMicro(row.asbbHeld),
    asbbAvailable: left(row.limit, row.asbbUsed, row.asbbHeld),
    used: toMicro(row.used),
    held: toMicro(row.held),
    available: left(row.limit, row.used, row.held),
  }));
}

const left = (limit: bigint, used: bigint, held: bigint): Micro => toMicro(limit - used - held);
