/** Accounts of ASBB's, understood and booked: their movements go into the ledger's tables as bytes, a batch in one transaction. */
import { bookAsbb, inOrderOfTime, linesOf, type AsbbMovement } from '../../domain/asbb-books';
import { readAsbb, standingOf, type AsbbClock } from '../../domain/asbb-readings';
import { ZERO } from '../../domain/money';
import type { Instant } from '../../domain/time';
import { BinaryRows, copyIn } from '../../platform/copy-in';
import type { Sql, Tx } from '../../platform/postgres';
import type { Imported } from '../contract/imports';
import type { AccountRows } from './asbb-accounts';
import { isOpenHold, TABLES, type Place } from './asbb-tables';
import { ACTOR } from './lock';

export interface Books {
  importNo: bigint;
  unit: string;
  timeZone: string;
  correct: boolean;
  cluster: Place['cluster'];
  /** The same moment, in two ways. */
  at: Instant;
  clock: AsbbClock;
}

/** By ASBB's ids. */
type Places = ReadonlyMap<number, Place>;

/** Books a batch, all of it or nothing. Accounts that are here already stay as they are. */
export function bookBatch(sql: Sql, batch: readonly AccountRows[], books: Books): Promise<Imported> {
  return sql.begin(async (tx) => {
    const places = await openAccounts(tx, batch, books);
    const movements = movementsOf(
      batch.filter(({ account }) => places.has(account.id)),
      books,
    );
    await number(tx, movements);
    await write(tx, movements, places);
    await closeAccounts(tx, movements, places);
    return { accounts: places.size, transactions: movements.length };
  });
}

async function openAccounts(
  tx: Tx,
  batch: readonly AccountRows[],
  { importNo, unit, timeZone, at, cluster, clock }: Books,
): Promise<Places> {
  const ids = batch.map(({ account }) => account.id);
  const rows = await tx<{ id: number; accountNo: number; baseNo: number; overNo: number; idPrefix: string }[]>`
    select id::float8 as id, account_no::float8 as "accountNo", base_no::float8 as "baseNo", over_no::float8 as "overNo",
      left(ledger.new_id('txn'), -16) as "idPrefix"
    from ledger.open_asbb_accounts(
      ${importNo}, ${ids}::bigint[], ${JSON.stringify({ unit, time_zone: timeZone })}::text::jsonb, ${at})`;
  return new Map(rows.map(({ id, ...place }) => [id, { ...place, cluster, now: clock.now }]));
}

function movementsOf(batch: readonly AccountRows[], { clock, correct }: Books): AsbbMovement[] {
  return batch
    .flatMap(({ account: { id, limit = ZERO, startsAt }, transactions }) => {
      const readings = readAsbb(transactions, clock);
      return bookAsbb(readings, standingOf(readings), { accountId: id, limit, startsAt, now: clock.now, correct });
    })
    .sort(inOrderOfTime);
}

/** Gives them their numbers, in their order. */
async function number(tx: Tx, movements: readonly AsbbMovement[]): Promise<void> {
  const stretches = await tx<{ first: number; count: number }[]>`
    select first_no::float8 as first, how_many::float8 as count from ledger.draw_txn_numbers(${movements.length})`;
  const left = movements.values();
  for (const { first, count } of stretches) {
    for (let no = first; no < first + count; no += 1) {
      const movement = left.next().value;
      if (movement) movement.txnNo = no;
    }
  }
}

async function write(tx: Tx, movements: readonly AsbbMovement[], places: Places): Promise<void> {
  const rows = new BinaryRows();
  for (const [name, { columns, add }] of Object.entries(TABLES)) {
    rows.clear();
    for (const movement of movements) {
      const place = places.get(movement.accountId);
      if (place) add(rows, movement, place);
    }
    await copyIn(tx, `copy ledger.${name} (${columns}) from stdin (format binary)`, rows);
  }
}

async function closeAccounts(tx: Tx, movements: readonly AsbbMovement[], places: Places): Promise<void> {
  const totals = new Map(
    [...places].map(([id, { accountNo, baseNo, overNo }]) => [
      id,
      { accountNo, baseNo, overNo, granted: 0n, settledBase: 0n, settledOver: 0n, heldBase: 0n, heldOver: 0n },
    ]),
  );
  for (const movement of movements) {
    const total = totals.get(movement.accountId);
    if (!total) continue;
    const lines = linesOf(movement);
    total.granted -= lines.outside;
    total.settledBase += lines.settled;
    total.settledOver += lines.settledOver;
    total.heldBase += lines.held;
    total.heldOver += lines.heldOver;
  }
  const told = JSON.stringify([...totals.values()], (_, value: unknown) =>
    typeof value === 'bigint' ? value.toString() : value,
  );
  const open = movements.filter(isOpenHold).map(({ txnNo }) => txnNo);
  await tx`select ledger.close_asbb_accounts(${told}::text::jsonb, ${open}::bigint[], ${ACTOR})`;
}
