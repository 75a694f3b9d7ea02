/** The SQL functions that charge a run and close a hold, one call each: in the product only stories call them, in passing. */
import type { TransactionId } from '../../domain/ids';
import type { ChargeSource } from '../../domain/job';
import { toMicro, type Micro } from '../../domain/money';
import type { Instant } from '../../domain/time';
import { requestOf, type RunCharge } from '../../ledger/charges';
import type { Hold } from '../../ledger/contract';
import { ask } from '../../ledger/errors';
import { microOf, transactionIdOf } from '../../ledger/rows';
import type { Sql, Tx } from '../../platform/postgres';

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
