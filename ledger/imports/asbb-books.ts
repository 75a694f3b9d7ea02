/**
 * ASBB's accounts, booked: their movements go into the ledger's tables as the bytes of a COPY. Into a ledger in which nothing has
 * happened yet they go as they are read, all in one transaction and without indexes until the end (`FirstBooks`); into one that is
 * in use in batches of whole accounts, each in a transaction of its own (`bookBeside`).
 */
import { setImmediate } from 'node:timers/promises';
import { bookAsbb, inOrderOfTime, linesOf, type AsbbMovement } from '../../domain/asbb-books';
import type { AsbbClock } from '../../domain/asbb-readings';
import { codeOf } from '../../domain/code-of';
import { ZERO } from '../../domain/money';
import type { Instant } from '../../domain/time';
import { BinaryRows, copyIn } from '../../platform/copy-in';
import { keepTransaction, withReserved, type Sql, type Tx } from '../../platform/postgres';
import type { Imported } from '../contract/imports';
import { ask } from '../errors';
import type { AccountRead, AsbbAccount } from './asbb-accounts';
import { isOpenHold, TABLES, type Place, type TableName } from './asbb-tables';
import { ACTOR, quietly } from './lock';

/** What is the same for all of them. */
export interface Books {
  unit: string;
  timeZone: string;
  correct: boolean;
  cluster: Place['cluster'];
  /** The same moment, in two ways. */
  at: Instant;
  clock: AsbbClock;
}

/** Connections that book beside others; one more keeps the lock. */
const AT_ONCE = 2;

/** After so many rows whatever is on its way goes on: PostgreSQL must not wait for Node, nor Node for PostgreSQL. */
const BREATH = 500;

/** Somebody is at work here, or the role of this database does not own its tables: it can write in batches all the same. */
const BESIDE = new Set(['55P03', '40P01', '42501']);

// Into an empty ledger --------------------------------------------------------------------------------------------------

/** Hands `use` the first books of an empty ledger; nothing, where there are books already, somebody is at work in it, or it is not ours. */
export async function withFirstBooks<T>(
  sql: Sql,
  accounts: readonly AsbbAccount[],
  books: Books,
  use: (first: FirstBooks | undefined) => Promise<T>,
): Promise<T> {
  const used = await withReserved(sql, async (connection) => {
    const first = await FirstBooks.open(connection, accounts, books);
    if (!first) return undefined;
    try {
      return { value: await use(first) };
    } finally {
      await first.abandon();
    }
  });
  return used ? used.value : use(undefined);
}

/** One transaction, which nobody sees anything of before `commit`. A batch is made while the one before it is on its way. */
export class FirstBooks {
  private onItsWay: Promise<void> = Promise.resolve();
  private rows: [Rows, Rows] = [emptyRows(), emptyRows()];
  private written = 0;
  private isOver = false;

  private constructor(
    private readonly connection: Sql,
    private readonly books: Books,
    private readonly indexes: object,
    private readonly places: Places,
    private lastNo: number,
  ) {}

  static async open(connection: Sql, accounts: readonly AsbbAccount[], books: Books): Promise<FirstBooks | undefined> {
    await connection`begin`;
    try {
      await keepTransaction(connection);
      const [row] = await connection<{ indexes: object | null }[]>`select ledger.put_indexes_aside() as indexes`;
      if (row?.indexes) {
        const [numbers] = await connection<{ last: number }[]>`select ledger.keep_txn_numbers()::float8 as last`;
        const places = await openAccounts(connection, accounts, books);
        return new FirstBooks(connection, books, row.indexes, places, numbers?.last ?? 0);
      }
    } catch (error) {
      await quietly(() => connection`rollback`);
      if (BESIDE.has(codeOf(error))) return undefined;
      throw error;
    }
    await connection`rollback`;
    return undefined;
  }

  async add(batch: readonly AccountRead[]): Promise<void> {
    const { connection, places } = this;
    const movements = await movementsOf(batch, places, this.books);
    for (const movement of movements) movement.txnNo = this.lastNo += 1;
    this.written += movements.length;
    const [rows, others] = this.rows;
    this.rows = [others, rows];
    await fill(rows, movements, places);
    await this.onItsWay;
    this.onItsWay = write(connection, rows).then(() => closeAccounts(connection, movements, batch, places));
    this.onItsWay.catch(() => {}); // Whoever adds the next, or commits, hears of it.
  }

  /** All that was added is there, or nothing of it. */
  async commit(importNo: (connection: Sql) => Promise<bigint>): Promise<Imported> {
    const { connection, places } = this;
    await this.onItsWay;
    await connection`select setval('ledger.txn_numbers', ${this.lastNo}::bigint)`;
    await connection`select ledger.put_indexes_back(${JSON.stringify(this.indexes)}::text::jsonb)`;
    await finishAccounts(connection, places, await importNo(connection));
    await connection`commit`;
    this.isOver = true;
    return { accounts: places.size, transactions: this.written };
  }

  /** Nothing has happened, unless it was committed. */
  async abandon(): Promise<void> {
    if (this.isOver) return;
    this.isOver = true;
    await quietly(() => this.onItsWay);
    await quietly(() => this.connection`rollback`);
  }
}

// Beside others ---------------------------------------------------------------------------------------------------------

/** What an earlier run has booked stays as it is, and what this one has, if it fails. */
export async function bookBeside(
  sql: Sql,
  batches: AsyncIterable<AccountRead[]>,
  books: Books,
  importNo: bigint,
): Promise<Imported> {
  const imported = { accounts: 0, transactions: 0 };
  await inTurns(AT_ONCE, batches, async (batch) => {
    const booked = await ask(() => sql.begin((tx) => bookBatch(tx, batch, books, importNo)));
    imported.accounts += booked.accounts;
    imported.transactions += booked.transactions;
  });
  return imported;
}

async function bookBatch(tx: Tx, batch: readonly AccountRead[], books: Books, importNo: bigint): Promise<Imported> {
  const accounts = batch.map(({ account }) => account);
  const places = await openAccounts(tx, accounts, books);
  const movements = await movementsOf(batch, places, books);
  await number(tx, movements);
  const rows = emptyRows();
  await fill(rows, movements, places);
  await write(tx, rows);
  await closeAccounts(tx, movements, batch, places);
  await finishAccounts(tx, places, importNo);
  return { accounts: places.size, transactions: movements.length };
}

/** Where one fails, the others end, and no more are begun. */
async function inTurns<T>(count: number, items: AsyncIterable<T>, work: (item: T) => Promise<void>): Promise<void> {
  const left = items[Symbol.asyncIterator]();
  let hasFailed = false;
  const takeTurns = async () => {
    try {
      for (let next = await left.next(); !next.done && !hasFailed; next = await left.next()) await work(next.value);
    } catch (error) {
      hasFailed = true;
      throw error;
    }
  };
  for (const end of await Promise.allSettled(Array.from({ length: count }, takeTurns))) {
    if (end.status === 'rejected') throw end.reason;
  }
}

// Steps -----------------------------------------------------------------------------------------------------------------

/** By ASBB's ids. */
type Places = ReadonlyMap<number, Place>;

/** Those that are here already are left as they are, and have no place. */
async function openAccounts(
  sql: Sql | Tx,
  accounts: readonly AsbbAccount[],
  { unit, timeZone, at, cluster, clock }: Books,
): Promise<Places> {
  const settings = JSON.stringify({ unit, time_zone: timeZone });
  const rows = await sql<{ id: number; accountNo: number; baseNo: number; overNo: number; idPrefix: string }[]>`
    select id::float8 as id, account_no::float8 as "accountNo", base_no::float8 as "baseNo", over_no::float8 as "overNo",
      left(ledger.new_id('txn'), -16) as "idPrefix"
    from ledger.open_asbb_accounts(${accounts.map(({ id }) => id)}::bigint[], ${settings}::text::jsonb, ${at})`;
  return new Map(rows.map(({ id, ...place }) => [id, { ...place, cluster, now: clock.now }]));
}

async function movementsOf(
  batch: readonly AccountRead[],
  places: Places,
  { clock, correct }: Books,
): Promise<AsbbMovement[]> {
  const movements: AsbbMovement[] = [];
  for (const { account, readings, standing } of batch) {
    const { id: accountId, limit = ZERO, startsAt } = account;
    if (!places.has(accountId)) continue;
    const terms = { accountId, limit, startsAt, now: clock.now, correct };
    for (const movement of bookAsbb(readings, standing, terms)) movements.push(movement);
    await setImmediate();
  }
  return movements.sort(inOrderOfTime);
}

/** Gives them their numbers, in their order. */
async function number(sql: Sql | Tx, movements: readonly AsbbMovement[]): Promise<void> {
  const stretches = await sql<{ first: number; count: number }[]>`
    select first_no::float8 as first, how_many::float8 as count from ledger.draw_txn_numbers(${movements.length})`;
  const left = movements.values();
  for (const { first, count } of stretches) {
    for (let no = first; no < first + count; no += 1) {
      const movement = left.next().value;
      if (movement) movement.txnNo = no;
    }
  }
}

type Rows = ReadonlyMap<TableName, BinaryRows>;

const emptyRows = (): Rows => new Map(TABLES.map(({ name }) => [name, new BinaryRows()]));

/** What the movements write. */
async function fill(rows: Rows, movements: readonly AsbbMovement[], places: Places): Promise<void> {
  const placed = movements.map((movement) => places.get(movement.accountId));
  for (const { name, add } of TABLES) {
    const of = rows.get(name);
    of?.clear();
    for (let at = 0; of && at < movements.length; at += 1) {
      const [movement, place] = [movements[at], placed[at]];
      if (movement && place) add(of, movement, place);
      if (at % BREATH === 0) await setImmediate();
    }
  }
}

async function write(sql: Pick<Sql, 'unsafe'>, rows: Rows): Promise<void> {
  for (const { name, columns } of TABLES) {
    const of = rows.get(name);
    if (of) await copyIn(sql, `copy ledger.${name} (${columns}) from stdin (format binary)`, of);
  }
}

const TOTALS = ['granted', 'settledBase', 'settledOver', 'heldBase', 'heldOver'] as const;

async function closeAccounts(
  sql: Sql | Tx,
  movements: readonly AsbbMovement[],
  batch: readonly AccountRead[],
  places: Places,
): Promise<void> {
  const totals = new Map<number, Record<(typeof TOTALS)[number], bigint>>();
  for (const { account } of batch) {
    if (places.has(account.id))
      totals.set(account.id, { granted: 0n, settledBase: 0n, settledOver: 0n, heldBase: 0n, heldOver: 0n });
  }
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
  const told = [...totals].map(([id, total]) => {
    const { accountNo, baseNo, overNo } = places.get(id) ?? {};
    return { accountNo, baseNo, overNo, ...Object.fromEntries(TOTALS.map((name) => [name, total[name].toString()])) };
  });
  const open = movements.filter(isOpenHold).map(({ txnNo }) => txnNo);
  await sql`select ledger.close_asbb_accounts(${JSON.stringify(told)}::text::jsonb, ${open}::bigint[])`;
}

async function finishAccounts(sql: Sql | Tx, places: Places, importNo: bigint): Promise<void> {
  const accountNos = [...places.values()].map(({ accountNo }) => accountNo);
  await sql`select ledger.finish_asbb_accounts(${importNo}, ${accountNos}::bigint[], ${ACTOR})`;
}
