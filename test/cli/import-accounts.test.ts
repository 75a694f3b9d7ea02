/** `bursar import accounts`: files as people have them, every mistake with its line, all of the accounts or none. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { renderAmount } from '../../domain/money';
import { openLedger } from '../../ledger';
import { freshDatabase, type TestDatabase } from '../helpers/database';
import { eventually } from '../helpers/eventually';
import { runBursar } from './helpers/cli';

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'bursar-import-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function openHouse(): Promise<TestDatabase> {
  const database = await freshDatabase();
  await database.sql`insert into ledger.clusters (name, time_zone) values ('default', 'Europe/Berlin')`;
  return database;
}

const importing = ({ url }: TestDatabase, content: string | Buffer, ...args: string[]) => {
  const file = join(folder, 'accounts.txt');
  writeFileSync(file, content);
  return runBursar(['import', 'accounts', file, '--database-url', url, ...args]);
};

const countAccounts = async ({ sql }: TestDatabase) => {
  const [row] = await sql<{ count: number }[]>`select count(*)::int as count from ledger.accounts`;
  return row?.count;
};

const YEAR = ['--start', '2026-01-01', '--end', '2098-12-31'];

const FILE = `account,name,unit,time_zone,limit,used,start,end,parent,partition,user
physics,"Physics,
all of it",EUR,Europe/Berlin,1000,,2026-01-01,2098-12-31,,,
optics,Optics,EUR,Europe/Berlin,100.50,20.25,2026-01-01,2098-12-31,physics,,
optics,,,,50,,,,,gpu,
optics,,,,5,,,,,,*
lasers,Lasers,EUR,UTC,10,15,2026-01-01T12:00:00Z,2098-12-31,optics,,
`;

test('on a database that no server has started on, the cluster of the configuration is made by --apply', async () => {
  await using house = await freshDatabase();
  const { catalog } = openLedger(house.sql);
  expect(await importing(house, FILE)).toMatchObject({ code: 0 });
  expect(await catalog.listClusters()).toEqual([]);
  expect(await importing(house, FILE, '--apply')).toMatchObject({ code: 0 });
  expect(await catalog.listClusters()).toMatchObject([{ name: 'default' }]);
});

test('a dry run changes nothing; --apply makes accounts, parents, caps and opening balances; the same file again is no news', async () => {
  await using house = await openHouse();
  const dry = await importing(house, FILE);
  expect(dry).toMatchObject({ code: 0, err: expect.not.stringContaining('mistake') });
  expect(dry.out).toContain('What would be made: 3 accounts');
  expect(dry.out).toMatch(/^In EUR: +1110\.5 given, 35\.25 of it used/m);
  expect(await countAccounts(house)).toBe(0);

  const made = await importing(house, FILE, '--apply');
  expect(made.out).toContain('Imported: 3 accounts, 5 transactions.');
  const ledger = openLedger(house.sql);
  const read = async (name: string) => {
    const { parent, title, startsAt, endsAt, granted, settled, available } = await ledger.accounts.read(name);
    return [parent, title, startsAt, endsAt, ...[granted, settled, available].map(renderAmount)];
  };
  const berlin = ['2025-12-31T23:00:00Z', '2098-12-31T23:00:00Z'];
  expect(await read('physics')).toEqual([undefined, 'Physics,\nall of it', ...berlin, '1000', '0', '1000']);
  expect(await read('optics')).toEqual(['physics', 'Optics', ...berlin, '100.5', '20.25', '80.25']);
  expect(await read('lasers')).toEqual([
    'optics',
    'Lasers',
    '2026-01-01T12:00:00Z',
    '2099-01-01T00:00:00Z',
    '10',
    '15',
    '-5',
  ]);
  expect(
    (await ledger.accounts.limits('optics')).map(({ partition, user, limit }) => [
      partition,
      user,
      renderAmount(limit),
    ]),
  ).toEqual(
    expect.arrayContaining([
      ['gpu', undefined, '50'],
      [undefined, '*', '5'],
    ]),
  );
  expect(await ledger.audit.run()).toMatchObject({ ok: true, findings: [], accounts: 3, transactions: 5 });
  await eventually('all is sealed', async () => {
    await ledger.audit.seal();
    return (await ledger.audit.verify()).sealed === 5;
  });
  expect(await ledger.audit.verify()).toMatchObject({ ok: true });

  const again = await importing(
    house,
    `${FILE}waves,Waves,EUR,,1,,2026-01-01,2098-12-31,optics,,\n`,
    '--apply',
    '--json',
  );
  expect(again.json).toMatchObject({
    accounts: 4,
    accounts_imported_before: 3,
    imported: { accounts: 1, transactions: 1 },
  });
  expect(await ledger.audit.run()).toMatchObject({ ok: true, findings: [], accounts: 4 });
});

test('a BOM, semicolons, decimal commas and Windows line ends are read once they are asked for, and named before', async () => {
  await using house = await openHouse();
  const file = '\ufeffAccount;Budget;Used\r\nklima;"1.250,50";12,5\r\n';
  const refused = await importing(house, file, ...YEAR, '--apply');
  expect(refused.code).toBe(2);
  expect(refused.err).toContain('line 2, limit: "1.250,50" has a comma; write 1250.50, or give --decimal-comma');
  expect(await countAccounts(house)).toBe(0);
  expect(await importing(house, file, ...YEAR, '--decimal-comma', '--apply')).toMatchObject({ code: 0 });
  expect(await openLedger(house.sql).accounts.read('klima')).toMatchObject({
    granted: 1_250_500_000n,
    settled: 12_500_000n,
  });
});

test('every mistake is named with its line, also behind quoted line ends, and nothing is imported', async () => {
  await using house = await openHouse();
  const { code, err } = await importing(
    house,
    `account,name,limit,start,end,parent,unit,partition
good,Good,1,2026-01-01,2026-12-31,,,
bad limit,"two
lines",1.1234567,2026-01-01,2026-12-31,,,
late,Late,1,2026-12-31,2026-02-30,,,
late2,Late,1,2026-12-31,2026-01-01,,,
a/b,Slash,-1,2026-01-01,2026-12-31,,,
good,Again,1,2026-01-01,2026-12-31,,,
orphan,Orphan,1,2026-01-01,2026-12-31,nobody,,
euro,Euro,1,2026-01-01,2026-12-31,good,EUR,
short,Short
lost,,5,,,,,gpu
`,
    '--apply',
  );
  expect(code).toBe(2);
  expect(err).toContain('has 11 mistakes; nothing was changed');
  for (const sentence of [
    'line 3, limit: "1.1234567" has more than six decimals',
    'line 5, end: "2026-02-30" is not a day of the calendar',
    'line 6, end: the account ends before it starts',
    'line 7, account: "a/b" is no name of an account',
    'line 7, limit: is below zero: -1',
    'line 8, account: "good" is there already, in line 2',
    'line 9, parent: there is no account "nobody", neither in the file nor in Bursar',
    'line 10, parent: "good" is kept in USD, not in EUR',
    'line 11, line: has 2 fields, and the heading 8',
    'line 12, account: the file has no line for the account "lost" itself',
  ]) {
    expect(err).toContain(sentence);
  }
  expect(await countAccounts(house)).toBe(0);
});

test.each([
  [
    'a column nobody knows',
    'account,limti\na,1\n',
    'line 1, heading: "limti" is no column that is known; did you mean "limit"?',
  ],
  ['no column for the account', 'name,limit\na,1\n', 'there is no column "account"'],
  [
    'a quotation mark that is never closed',
    'account,name\na,"b\nc,d\n',
    'line 2, line: a quotation mark is opened and not closed',
  ],
  ['parents in a circle', 'account,parent\na,b\nb,a\n', 'line 2, parent: "b" leads to no account without a parent'],
  ['nothing at all', '\n', 'is empty'],
  ['UTF-16', Buffer.from('\ufeffaccount\na\n', 'utf16le'), 'is in UTF-16; save it as UTF-8'],
  ['Latin-1', Buffer.from('account,name\na,M\u00fcller\n', 'latin1'), 'line 2, name: is not UTF-8'],
  ['broken JSON', '[{"account": "a"', 'is no JSON'],
  ['JSON of the wrong shape', '{"account": "a", "limit": [1]}\n', 'line 1, limit: is neither a text nor a number'],
])('%s is named', async (_, content, sentence) => {
  await using house = await openHouse();
  const { code, err } = await importing(house, content, ...YEAR, '--apply');
  expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining(sentence) });
  expect(await countAccounts(house)).toBe(0);
});

test.each([
  ['an array', '[{"account": "a", "limit": 0.1}, {"account": "b", "limit": "2.5", "parent": "a"}]'],
  ['an object a line', '{"account": "a", "limit": 0.1}\n\n{"account": "b", "limit": "2.5", "parent": "a"}\n'],
])('JSON: %s', async (_, content) => {
  await using house = await openHouse();
  expect(await importing(house, content, ...YEAR, '--apply')).toMatchObject({ code: 0 });
  const { accounts } = openLedger(house.sql);
  expect(await accounts.read('a')).toMatchObject({ granted: 100_000n });
  expect(await accounts.read('b')).toMatchObject({ granted: 2_500_000n, parent: 'a' });
});

test('an account that was there before, or was imported from another line, is never touched', async () => {
  await using house = await openHouse();
  await importing(house, 'account,limit\na,1\n', ...YEAR, '--apply');
  const changed = await importing(house, 'account,limit\na,2\n', ...YEAR, '--apply');
  expect(changed.err).toContain(
    'line 2, account: the account "a" was imported before, from a line that said something else',
  );
  const { accounts } = openLedger(house.sql);
  await accounts.create(
    { name: 'mine', unit: 'USD', title: 'Mine', startsAt: '2026-01-01T00:00:00Z', endsAt: '2099-01-01T00:00:00Z' },
    { principal: 'local' },
  );
  const taken = await importing(house, 'account,limit\nmine,2\n', ...YEAR, '--apply');
  expect(taken.err).toContain('line 2, account: an account "mine" exists in Bursar already');
  const below = await importing(house, 'account,used,parent\nsub,3,mine\n', ...YEAR, '--apply');
  expect(below.code).toBe(0);
  expect(await openLedger(house.sql).audit.run()).toMatchObject({ ok: true, findings: [] });
});
