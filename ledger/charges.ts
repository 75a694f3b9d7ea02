/**
 * Booking what runs cost. The rules are in migrations/functions/charge_run.sql and close_hold.sql; this is their typed door,
 * for the parts of the ledger that decide when. Both may be called on a transaction, among other things.
 */
import type { TransactionId } from '../domain/ids';
import type { ChargeSource } from '../domain/job';
import { toMicro, type Micro } from '../domain/money';
import type { Instant } from '../domain/time';
import type { Sql, Tx } from '../platform/postgres';
import type { Hold } from './contract';
import { ask } from './errors';
import { microOf, transactionIdOf } from './rows';

/** What was used in one stretch of time at one price; the ledger cuts it further where funds open or close. */
export interface Piece {
  startsAt: Instant;
  endsAt: Instant;
  amount: Micro;
}

export interface RunCharge {
  /** `<cluster>/<job id>[_task]/<submit epoch s or ->/<start epoch s or ->` */
  runKey: string;
  /** Without a hold: account and cluster. */
  holdId?: string;
  account?: string;
  cluster?: string;
  jobId: string;
  partition?: string;
  user?: string;
  source: ChargeSource;
  pieces: Piece[];
  /** The cost as the machine wrote it. */
  reportedNumeral?: string;
  startedAt?: Instant;
  endedAt?: Instant;
  usage?: unknown;
  metadata?: unknown;
  /** Replaces a cost that was reported before. */
  correction?: boolean;
  /** Settles: gives the rest of the hold back in the same transaction. */
  close?: boolean;
  reason?: string;
  actor: string;
  /** The clock; default: the database's. */
  now?: Instant;
}

export interface ChargedRun {
  /** 'replayed': this run was charged before and nothing changed now (but its hold may have been closed). */
  outcome: 'charged' | 'replayed' | 'adjusted';
  chargeNo: bigint;
  transactionId: TransactionId;
  /** The charge with its adjustments, without refunds. */
  amount: Micro;
  refunded: Micro;
  source: ChargeSource;
  adjusted: boolean;
  /** True where this call closed the hold and gave something back. */
  released: boolean;
  hold?: HoldState;
}

/** What is left of a hold. */
export interface HoldState {
  holdId: TransactionId;
  status: Hold['status'];
  placed: Micro;
  held: Micro;
  charged: Micro;
  released: Micro;
}

interface ChargeAnswer {
  outcome: ChargedRun['outcome'];
  charge_no: string;
  transaction_id: string;
  amount_micro: string;
  refunded_micro: string;
  source: ChargeSource;
  adjustment_no: string | null;
  release_no: string | null;
  hold: {
    hold_id: string;
    status: Hold['status'];
    placed_micro: string;
    held_micro: string;
    charged_micro: string;
    released_micro: string;
  } | null;
}

/** The one argument of ledger.charge_run, which other functions of the ledger call too. */
export const requestOf = (run: RunCharge) => ({
  run_key: run.runKey,
  hold_id: run.holdId ?? null,
  account: run.account ?? null,
  cluster: run.cluster ?? null,
  job_id: run.jobId,
  partition: run.partition ?? null,
  user: run.user ?? null,
  source: run.source,
  pieces: run.pieces.map(({ startsAt, endsAt, amount }) => ({
    starts_at: startsAt,
    ends_at: endsAt,
    amount_micro: amount.toString(),
  })),
  reported_numeral: run.reportedNumeral ?? null,
  started_at: run.startedAt ?? null,
  ended_at: run.endedAt ?? null,
  usage: run.usage ?? null,
  metadata: run.metadata ?? null,
  correction: run.correction ?? false,
  close: run.close ?? false,
  reason: run.reason ?? null,
  actor: run.actor,
  now: run.now ?? null,
});

/**
 * Charges a run, once; the same run again answers as the first time, or adjusts (see charge_run.sql).
 * `hold_not_found`, `account_not_found`, `cluster_not_found`, `already_reconciled`, `malformed_request`, `ceiling_exceeded`.
 */
export async function chargeRun(sql: Sql | Tx, run: RunCharge): Promise<ChargedRun> {
  const [row] = await ask(
    () =>
      sql<
        { answer: ChargeAnswer }[]
      >`select ledger.charge_run(${JSON.stringify(requestOf(run))}::text::jsonb) as answer`,
  );
  if (!row) throw new Error('ledger.charge_run answered nothing');
  return readCharge(row.answer);
}

/** The last charge of a hold and its release in one transaction. */
export const settle = (sql: Sql | Tx, run: RunCharge & { holdId: string }): Promise<ChargedRun> =>
  chargeRun(sql, { ...run, close: true });

interface HoldRow {
  hold_id: string;
  status: Hold['status'];
  placed_micro: bigint;
  held_micro: bigint;
  charged_micro: bigint;
  released_micro: bigint;
}

/** Ends a hold and gives what is left of it back, once; a closed hold is answered as it is. `hold_not_found`. */
export async function closeHold(
  sql: Sql | Tx,
  request: { holdId: string; reason: string; actor: string; effectiveAt?: Instant; now?: Instant },
): Promise<HoldState> {
  const { holdId, reason, actor, effectiveAt, now } = request;
  const [row] = await ask(
    () => sql<HoldRow[]>`
      select hold_id, status, placed_micro, held_micro, charged_micro, released_micro
      from ledger.close_hold(${holdId}, ${reason}, ${actor}, ${effectiveAt ?? null}, ${now ?? null})`,
  );
  if (!row) throw new Error('ledger.close_hold answered nothing');
  return {
    holdId: transactionIdOf(row.hold_id),
    status: row.status,
    placed: toMicro(row.placed_micro),
    held: toMicro(row.held_micro),
    charged: toMicro(row.charged_micro),
    released: toMicro(row.released_micro),
  };
}

const readCharge = (answer: ChargeAnswer): ChargedRun => ({
  outcome: answer.outcome,
  chargeNo: BigInt(answer.charge_no),
  transactionId: transactionIdOf(answer.transaction_id),
  amount: microOf(answer.amount_micro),
  refunded: microOf(answer.refunded_micro),
  source: answer.source,
  adjusted: answer.adjustment_no !== null,
  released: answer.release_no !== null,
  ...(answer.hold && {
    hold: {
      holdId: transactionIdOf(answer.hold.hold_id),
      status: answer.hold.status,
      placed: microOf(answer.hold.placed_micro),
      held: microOf(answer.hold.held_micro),
      charged: microOf(answer.hold.charged_micro),
      released: microOf(answer.hold.released_micro),
    },
  }),
});
