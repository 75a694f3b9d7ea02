/** `bursar export`: from its files alone every balance can be computed again, and they say what they are. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { parseAmount } from '../../domain/money';
import type { Manifest } from '../../ledger/export';
import { EXPORT_TABLES } from '../../ledger/export/tables';
import { eventually } from '../helpers/eventually';
import { openMoneyHouse, usd, CALLER, type MoneyHouse } from '../ledger/money-house';
import { runBursar } from './helpers/cli';

let house: MoneyHouse;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bursar-export-'));
  house = await openMoneyHouse();
  const { ledger } = house;
  await house.account('lab', { budgetLimit: usd('1000') });
  await house.account('sub', { parent: 'lab', budgetLimit: usd('50'), description: 'two\nlines, "quoted" \\ and ü' });
  await ledger.movements.deposit(
    { account: 'lab', amount: usd('40'), opensAt: '2025-01-01T00:00:00Z', closesAt: '2026-06-01T00:00:00Z' },
    CALLER,
  );
  const hold = await house.hold('lab', usd('49.80'));
  const { transactionId } = await house.charge({
    runKey: 'hpc/1/-/-',
    holdId: hold,
    cost: usd('37.25'),
    at: '2026-01-05T00:00:00Z',
  });
  await ledger.holds.release(hold, 'done', CALLER);
  await ledger.movements.refund({ transactionId, amount: usd('7.000001') }, CALLER);
  await house.charge({ runKey: 'hpc/2/-/-', account: 'sub', cost: usd('70') });
  await house.hold('lab', usd('12.5'));
  await ledger.movements.transfer({ from: 'lab', to: 'sub', amount: usd('5') }, CALLER);
  await ledger.movements.expireFunds();
  await eventually('all is sealed', async () => {
    await ledger.audit.seal();
    return (await ledger.audit.verify()).unsealed === 0;
  });
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await house.database.drop();
});

/** And what JSON may be inside a field. */
type Row = Record<string, string | number | boolean | null>;

const exporting = (name: string, ...args: string[]) =>
  runBursar(['export', join(folder, name), '--database-url', house.database.url, '--json', ...args]);

const rowsOf = (name: string, table: string): Row[] =>
  readFileSync(join(folder, name, `${table}.ndjson`), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Row);

test('from the export alone every balance can be computed again', async () => {
  const { code, json } = await exporting('books');
  expect(code).toBe(0);
  const manifest = json as Manifest;
  const funds = new Map(rowsOf('books', 'funds').map((fund) => [fund.fund_no, fund]));
  const books = new Map<string, bigint>();
  const byTransaction = new Map<unknown, bigint>();
  const add = <Key>(sums: Map<Key, bigint>, key: Key, amount: bigint) => sums.set(key, (sums.get(key) ?? 0n) + amount);
  for (const { txn_no, account_no, fund_no, book, amount } of rowsOf('books', 'entries')) {
    const micro = parseAmount(String(amount));
    add(byTransaction, txn_no, micro);
    const isDebt = funds.get(fund_no)?.source === 'overdraft';
    add(books, `${account_no} ${book}${isDebt && book === 'available' ? ' debt' : ''}`, micro);
  }
  expect([...byTransaction.values()].filter((sum) => sum !== 0n)).toEqual([]);

  const accounts = rowsOf('books', 'accounts');
  expect(accounts).toHaveLength(2);
  for (const { account_no, granted, settled, held } of accounts) {
    const sum = (book: string) => books.get(`${account_no} ${book}`) ?? 0n;
    const said = [granted, settled, held].map((amount) => parseAmount(String(amount)));
    const inFunds = sum('available') + sum('available debt') + sum('held') + sum('settled');
    expect(said).toEqual([inFunds, sum('settled'), sum('held')]);
    expect(sum('outside')).not.toBe(0n);
  }
  const open = rowsOf('books', 'holds').filter(({ status }) => status === 'open');
  expect(open.map(({ held }) => held)).toEqual(['12.5']);

  for (const { file, bytes, sha256, rows } of manifest.files) {
    const content = readFileSync(join(folder, 'books', file));
    const lines = content.toString('utf8').split('\n').length - 1;
    expect([file, content.length, lines, createHash('sha256').update(content).digest('hex')]).toEqual([
      file,
      bytes,
      rows,
      sha256,
    ]);
  }
  expect(manifest.files.map(({ file }) => file)).toEqual(EXPORT_TABLES.map(({ name }) => `${name}.ndjson`));
  expect(manifest.head?.digest).toBe((await house.ledger.audit.verify()).head);
  expect(manifest.unsealed).toBe(0);
});

test('CSV says the same, with a heading, whatever stands in a text', async () => {
  await exporting('same');
  const { code, json } = await exporting('tables', '--format', 'csv');
  expect(code).toBe(0);
  for (const { file, rows } of (json as Manifest).files) {
    const read = parse(readFileSync(join(folder, 'tables', file)), { columns: true }) as Record<string, string>[];
    const same = rowsOf('same', file.replace('.csv', ''));
    const asText = (value: Row[string] = null) =>
      value === null
        ? ''
        : value === true
          ? 't'
          : value === false
            ? 'f'
            : typeof value === 'string'
              ? value
              : JSON.stringify(value);
    const isJson = (text: string) => /^[[{]/.test(text);
    const tidy = (row: Record<string, string>) =>
      Object.fromEntries(
        Object.entries(row).map(([key, text]) => [key, isJson(text) ? JSON.stringify(JSON.parse(text)) : text]),
      );
    expect(read).toHaveLength(rows);
    expect(read.map(tidy)).toEqual(
      same.map((row) => Object.fromEntries(Object.entries(row).map(([key, value]) => [key, asText(value)]))),
    );
  }
});

test('every table of the ledger is in it, or is named as one that is not', async () => {
  const tables = await house.database.sql<{ name: string }[]>`
    select relname as name from pg_class
    where relnamespace = 'ledger'::regnamespace and relkind = 'r' and relpersistence = 'p' order by 1`;
  const page = readFileSync(join(__dirname, '../../docs/operations/export.md'), 'utf8');
  const exported = EXPORT_TABLES.map(({ name }) => name);
  expect(
    tables.map(({ name }) => name).filter((name) => !exported.includes(name) && !page.includes(`\`${name}\``)),
  ).toEqual([]);
});

test('a folder that is in use is refused, one of a run that died is cleared, and nothing half appears', async () => {
  mkdirSync(join(folder, 'mine'));
  writeFileSync(join(folder, 'mine', 'thesis.tex'), '');
  const refused = await exporting('mine');
  expect(refused).toMatchObject({ code: 2, err: expect.stringContaining('is not empty') });
  expect(readdirSync(join(folder, 'mine'))).toEqual(['thesis.tex']);
  mkdirSync(join(folder, 'again.partial'));
  writeFileSync(join(folder, 'again.partial', 'accounts.ndjson'), 'half');
  expect((await exporting('again')).code).toBe(0);
  expect(existsSync(join(folder, 'again.partial'))).toBe(false);
  expect((await exporting('other', '--format', 'xml')).code).toBe(2);
});
