/** What a movement of ASBB's writes into which table of the ledger, as rows of a binary COPY. */
import { randomUUID } from 'node:crypto';
import { linesOf, type AsbbMovement } from '../../domain/asbb-books';
import type { AsbbReading } from '../../domain/asbb-readings';
import { renderAmount } from '../../domain/money';
import type { BinaryRows } from '../../platform/copy-in';
import { ACTOR } from './lock';

/** An account that was made for one of ASBB's, and what all of its rows have in common. */
export interface Place {
  accountNo: number;
  baseNo: number;
  overNo: number;
  cluster: { no: number; name: string; defaultPartition: string };
  /** When it is imported, in microseconds since 1970. */
  now: number;
  /** What the ids of those begin with that ASBB has none for; sixteen digits follow (ledger.bulk_id). */
  idPrefix: string;
}

export type TableName = 'transactions' | 'entries' | 'holds' | 'hold_parts' | 'charges' | 'charge_pieces';

interface Table {
  name: TableName;
  columns: string;
  add(rows: BinaryRows, movement: AsbbMovement, place: Place): void;
}

export const isOpenHold = ({ kind, reading }: AsbbMovement): boolean => kind === 'hold' && reading?.role === 'open';

const numberOf = (reading: AsbbReading | undefined): number | undefined => reading?.booked?.txnNo;

const transactions: Table = {
  name: 'transactions',
  columns:
    'txn_no, transaction_id, kind, account_no, hold_no, charge_no, amount_micro, actor, description, metadata, effective_at, recorded_at',
  add(rows, { txnNo, kind, reading, hold, charge, base, over, at, description }, { accountNo, now, idPrefix }) {
    const amount = base + over;
    rows.row(12);
    rows.bigint(txnNo);
    rows.text(kind === 'hold' ? undefined : (reading?.transactionId ?? idPrefix + randomDigits()));
    rows.text(kind);
    rows.bigint(accountNo);
    rows.bigint(kind === 'hold' ? txnNo : numberOf(hold));
    rows.bigint(numberOf(charge));
    rows.bigint(kind === 'adjustment' ? -amount : amount);
    rows.text(ACTOR);
    rows.text(description);
    const metadata = reading && metadataOf(reading);
    if (metadata === undefined) rows.nothing();
    else rows.jsonText(metadata);
    rows.time(at);
    rows.time(reading ? at : now);
  },
};

const randomDigits = (): string => randomUUID().slice(19).replace('-', '').toUpperCase();

/** What ASBB wrote beside it, and of a charge that its hold was guessed. */
function metadataOf({ role, how, metadata }: AsbbReading): string | undefined {
  if (role !== 'charge' || how !== 'inferred') return metadata;
  if (!metadata?.startsWith('{') || metadata === '{}') return '{"hold": "inferred"}';
  return `${metadata.slice(0, -1)}, "hold": "inferred"}`; // Of two equal keys jsonb keeps the last.
}

const code = (book: string): number => book.charCodeAt(0);
const [AVAILABLE, HELD, SETTLED, OUTSIDE] = [code('a'), code('h'), code('s'), code('x')];

const entries: Table = {
  name: 'entries',
  columns: 'txn_no, line_no, account_no, fund_no, book, amount_micro',
  add(rows, movement, { accountNo, baseNo, overNo }) {
    const line = (no: number, fundNo: number, book: number, amount: bigint) => {
      if (amount === 0n) return;
      rows.row(6);
      rows.bigint(movement.txnNo);
      rows.smallint(no);
      rows.bigint(accountNo);
      rows.bigint(fundNo);
      rows.letter(book);
      rows.bigint(amount);
    };
    const lines = linesOf(movement);
    line(1, baseNo, AVAILABLE, lines.available);
    line(2, baseNo, HELD, lines.held);
    line(3, baseNo, SETTLED, lines.settled);
    line(4, baseNo, OUTSIDE, lines.outside);
    if (movement.over === 0n) return;
    line(5, overNo, AVAILABLE, lines.availableOver);
    line(6, overNo, HELD, lines.heldOver);
    line(7, overNo, SETTLED, lines.settledOver);
  },
};

const holds: Table = {
  name: 'holds',
  columns:
    'hold_no, hold_id, account_no, cluster_no, partition, user_name, status, placed_micro, held_micro, charged_micro, released_micro, effective_at, placed_at, closed_at',
  add(rows, { kind, reading, txnNo, base, over, at }, { accountNo, cluster, now }) {
    if (kind !== 'hold' || !reading) return;
    const { role, transactionId, charge, partition, user } = reading;
    const amount = base + over;
    const isSettled = role === 'settled';
    rows.row(14);
    rows.bigint(txnNo);
    rows.text(transactionId);
    rows.bigint(accountNo);
    rows.int(cluster.no);
    rows.text(partition ?? cluster.defaultPartition);
    rows.text(user);
    rows.text(role === 'open' || isSettled ? role : 'released');
    rows.bigint(amount);
    rows.bigint(role === 'open' ? amount : 0);
    rows.bigint(isSettled && charge ? charge.applied : 0);
    if (role === 'open' || role === 'void') rows.bigint(0);
    else rows.bigint(isSettled ? amount - (charge?.booked?.fromHold ?? 0n) : amount);
    rows.time(at);
    rows.time(at);
    if (role === 'open') rows.nothing();
    else rows.time(role === 'closed' ? now : (charge?.at ?? at));
  },
};

const holdParts: Table = {
  name: 'hold_parts',
  columns: 'hold_no, fund_no, held_micro',
  add(rows, movement, { baseNo, overNo }) {
    if (!isOpenHold(movement)) return;
    const part = (fundNo: number, amount: bigint) => {
      if (amount <= 0n) return;
      rows.row(3);
      rows.bigint(movement.txnNo);
      rows.bigint(fundNo);
      rows.bigint(amount);
    };
    part(baseNo, movement.base);
    part(overNo, movement.over);
  },
};

const charges: Table = {
  name: 'charges',
  columns:
    'charge_no, run_key, account_no, hold_no, cluster_no, job_id, source, amount_micro, adjusted_micro, refunded_micro, reported_numeral, reported_micro',
  add(rows, { kind, reading, hold, txnNo, base, over, isTakenBack, refunded }, { accountNo, cluster }) {
    if (kind !== 'charge' || !reading) return;
    const { transactionId, jobId = transactionId } = reading;
    const amount = base + over;
    rows.row(12);
    rows.bigint(txnNo);
    rows.text(`${cluster.name}/${jobId}/asbb/${transactionId}`);
    rows.bigint(accountNo);
    rows.bigint(numberOf(hold));
    rows.int(cluster.no);
    rows.text(jobId);
    rows.text('reported');
    rows.bigint(amount);
    rows.bigint(isTakenBack ? -amount : 0);
    rows.bigint(refunded);
    rows.text(renderAmount(amount));
    rows.bigint(amount);
  },
};

const chargePieces: Table = {
  name: 'charge_pieces',
  columns: 'txn_no, piece_no, charge_no, fund_no, starts_at, ends_at, amount_micro',
  add(rows, movement, { baseNo, overNo }) {
    const { kind, txnNo, charge } = movement;
    if (kind !== 'charge' && !charge) return;
    const usedAt = charge ? charge.at : movement.at;
    const { settled, settledOver } = linesOf(movement);
    const piece = (no: number, fundNo: number, amount: bigint) => {
      if (amount === 0n) return;
      rows.row(7);
      rows.bigint(txnNo);
      rows.smallint(no);
      rows.bigint(charge ? numberOf(charge) : txnNo);
      rows.bigint(fundNo);
      rows.time(usedAt);
      rows.time(usedAt);
      rows.bigint(amount);
    };
    piece(1, baseNo, settled);
    piece(2, overNo, settledOver);
  },
};

/** In the order in which they are written. */
export const TABLES: readonly Table[] = [transactions, entries, holds, holdParts, charges, chargePieces];
