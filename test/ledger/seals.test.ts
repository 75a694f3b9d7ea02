/** Seals: a chain over everything that was written, which never runs ahead of a transaction that is still writing. */
import { connectPostgres } from '../../platform/postgres';
import type { SealReport } from '../../ledger/contract';
import { eventually } from '../helpers/eventually';
import { disarm } from '../helpers/tampering';
import { CALLER, openMoneyHouse, usd, type MoneyHouse } from './money-house';

let house: MoneyHouse;

beforeAll(async () => {
  house = await openMoneyHouse();
  const { ledger } = house;
  await house.account('lab', { budgetLimit: usd('1000') });
  await house.account('team', { parent: 'lab', budgetLimit: usd('100') });
  const holdId = await house.hold('team', usd('10'));
  const run = await house.charge({
    runKey: 'hpc/1/-/-',
    holdId,
    cost: usd('11'),
    close: true,
    startedAt: '2026-02-01T00:00:00Z',
    endedAt: '2026-02-01T01:00:00Z',
    usage: { cpus: 4 },
    metadata: { note: 'kept' },
  });
  await ledger.movements.refund({ transactionId: run.transactionId, amount: usd('1') }, CALLER);
  await ledger.movements.transfer({ from: 'lab', to: 'team', amount: usd('30') }, CALLER);
  await sealAll();
});
afterAll(() => house.database.drop());

/** Other suites' transactions hold the fence too (one server, one line of xids): seal until nothing is left. */
const sealAll = (): Promise<SealReport> =>
  eventually('everything is sealed', async () => {
    await house.ledger.audit.seal();
    const report = await house.ledger.audit.verify();
    return (report.unsealed === 0 || !report.ok) && report;
  });

test('everything that was written is sealed, and verifies', async () => {
  const report = await sealAll();
  const [row] = await house.database.sql<{ count: number }[]>`select count(*)::int as count from ledger.transactions`;
  expect(report).toMatchObject({ ok: true, sealed: row?.count, unsealed: 0 });
  expect(report.head).toMatch(/^[0-9a-f]{64}$/);
});

test('a head that was noted earlier is found in the chain later, another is not', async () => {
  const { head } = await sealAll();
  await house.ledger.movements.deposit({ account: 'team', amount: usd('1') }, CALLER);
  const grown = await sealAll();
  expect(grown.head).not.toBe(head);
  expect(await house.ledger.audit.verify(head)).toMatchObject({ ok: true });
  const other = await house.ledger.audit.verify('ab'.repeat(32));
  expect(other).toMatchObject({
    ok: false,
    firstTampered: { detail: expect.stringContaining('no seal has this digest') },
  });
  await expect(house.ledger.audit.verify('abc')).rejects.toMatchObject({ code: 'malformed_request' });
});

test('a chain that was cut at its end verifies by itself, but not against the head that was noted', async () => {
  const { head } = await sealAll();
  await tampered(
    `delete from ledger.transactions where txn_no = (select max(txn_no) from ledger.seals);
    delete from ledger.entries where txn_no = (select max(txn_no) from ledger.seals);
    delete from ledger.seals where txn_no = (select max(txn_no) from ledger.seals)`,
    async (verify) => {
      expect(await verify()).toMatchObject({ bad_no: null });
    },
    head,
  );
});

const ROLLED_BACK = new Error('rolled back');

interface Stretch {
  bad_no: bigint | null;
  detail: string | null;
}

async function tampered(
  tampering: string,
  look: (verify: () => Promise<Stretch | undefined>) => Promise<void>,
  noted?: string,
): Promise<void> {
  await house.database.sql
    .begin(async (tx) => {
      await disarm(tx);
      await tx.unsafe(tampering);
      await look(async () => {
        const [row] = await tx<Stretch[]>`
          select bad_no, detail from ledger.verify_seals(0, decode(repeat('00', 32), 'hex'), 1000)`;
        return row;
      });
      if (noted !== undefined) {
        const [row] = await tx`select from ledger.seals where digest = decode(${noted}, 'hex')`;
        expect(row).toBeUndefined();
      }
      throw ROLLED_BACK;
    })
    .catch((error: unknown) => {
      if (error !== ROLLED_BACK) throw error;
    });
}

/** Another value of the same type. */
const CHANGED: Record<string, (column: string) => string> = {
  bigint: (column) => `coalesce(${column}, 0) + 1000000`,
  smallint: (column) => `${column} + 100`,
  integer: (column) => `${column} + 1`,
  text: (column) => `coalesce(${column}, '') || 'x'`,
  'timestamp with time zone': (column) => `coalesce(${column}, '2026-01-01Z') + interval '1 microsecond'`,
  jsonb: () => `'{"another": 1}'`,
  '"char"': (column) => `case ${column} when 'a' then 'x' else 'a' end`,
  boolean: (column) => `not ${column}`,
};

/** What changes in the ordinary course: proved by the audit, not sealed. */
const MUTABLE = new Set([
  'holds.status',
  'holds.held_micro',
  'holds.charged_micro',
  'holds.released_micro',
  'holds.overdue_at',
  'holds.closed_at',
  'holds.reopened_at',
  'holds.uncharged',
  'holds.replaced_by',
  'holds.split_from',
  'holds.split_micro',
  'charges.adjusted_micro',
  'charges.refunded_micro',
  'charges.corrected_by_report',
  'charges.reported_numeral',
  'charges.reported_micro',
  'charges.metered_until',
  'charges.first_slice',
]);

test.each(['transactions', 'entries', 'charge_pieces', 'holds', 'charges'])(
  'a change of any column of %s is found at its transaction',
  async (table) => {
    await sealAll();
    const columns = await house.database.sql<{ name: string; type: string }[]>`
      select column_name as name, data_type as type from information_schema.columns
      where table_schema = 'ledger' and table_name = ${table} order by ordinal_position`;
    const [row] = await house.database.sql<{ no: bigint }[]>`
      select coalesce(max(t.txn_no), 0) as no from ledger.transactions t
      where t.kind = ${table === 'holds' ? 'hold' : 'charge'}`;
    const key = table === 'holds' ? 'hold_no' : table === 'charges' ? 'charge_no' : 'txn_no';
    let looked = 0;
    for (const { name, type } of columns.filter(({ name }) => !MUTABLE.has(`${table}.${name}`))) {
      const value = name === 'kind' ? `'refund'` : name === 'source' ? `'reported'` : CHANGED[type]?.(name);
      if (value === undefined) throw new Error(`how is a ${type} changed?`);
      await tampered(
        `alter table ledger.${table} drop constraint if exists charges_cluster_no_fkey;
        update ledger.${table} set ${name} = ${value} where ${key} = ${row?.no}`,
        async (verify) => {
          const found = await verify();
          expect({ column: name, found: found?.bad_no }).toEqual({ column: name, found: row?.no });
        },
      );
      looked++;
    }
    expect(looked).toBeGreaterThan(5);
  },
);

test.each([
  ['removed', `delete from ledger.transactions where txn_no = 3`, 3n, 'removed'],
  [
    'removed with its lines',
    `delete from ledger.transactions where txn_no = 3; delete from ledger.entries where txn_no = 3`,
    3n,
    'removed',
  ],
  ['a line removed', `delete from ledger.entries where txn_no = 2 and line_no = 1`, 2n, 'changed'],
  ['a line inserted', `insert into ledger.entries values (2, 9, 1, 1, 'a', 0)`, 2n, 'changed'],
  ['a seal changed', `update ledger.seals set digest = sha256(digest) where txn_no = 2`, 2n, 'changed'],
  ['a seal removed', `delete from ledger.seals where txn_no = 2`, 2n, 'inserted'],
])('the first row that was tampered with is named: %s', async (_, tampering, no, word) => {
  await sealAll();
  await tampered(tampering, async (verify) => {
    const found = await verify();
    expect(found?.bad_no).toBe(no);
    expect(found?.detail).toContain(word);
  });
});

test('a row that is inserted into a gap between sealed ones is named', async () => {
  await house.database.sql`select ledger.next_txn_no()`; // A number that was drawn and not used, as by a refused check.
  const [gap] = await house.database.sql<{ no: bigint }[]>`select last_value as no from ledger.txn_numbers`;
  await house.ledger.movements.deposit({ account: 'team', amount: usd('1') }, CALLER);
  await sealAll();
  await tampered(
    `insert into ledger.transactions (txn_no, transaction_id, kind, account_no, amount_micro, actor, effective_at, recorded_at)
     values (${gap?.no}, 'txn_forged', 'deposit', 1, 0, 'me', now(), now())`,
    async (verify) => {
      const found = await verify();
      expect(found).toMatchObject({ bad_no: gap?.no, detail: expect.stringContaining('inserted') });
    },
  );
});

test('a transaction that has drawn a number and still runs is never sealed past', async () => {
  await sealAll();
  const slow = connectPostgres({ url: house.database.url, poolSize: 1 });
  const { ledger } = house;
  let finish: () => void = () => undefined;
  const mayFinish = new Promise<void>((resolve) => (finish = resolve));
  let started: () => void = () => undefined;
  const hasStarted = new Promise<void>((resolve) => (started = resolve));
  const slowDeposit = slow.begin(async (tx) => {
    await tx`select ledger.deposit('lab', 1000000, null, null, null, null, null, null, 'slow', null, 'local', null, null)`;
    started();
    await mayFinish;
  });
  await hasStarted;
  const after = await house.account('beside', { budgetLimit: usd('1') }); // A later number, committed first.
  expect(after.granted).toBe(usd('1'));

  for (let attempt = 0; attempt < 5; attempt++) expect(await ledger.audit.seal()).toBe(0);
  expect((await ledger.audit.verify()).unsealed).toBe(1);

  finish();
  await slowDeposit;
  await slow.end();
  expect(await sealAll()).toMatchObject({ ok: true, unsealed: 0 });
});

test('sealers that race seal everything once', async () => {
  for (let i = 0; i < 20; i++) await house.ledger.movements.deposit({ account: 'team', amount: usd('1') }, CALLER);
  await Promise.all(Array.from({ length: 6 }, () => house.ledger.audit.seal(7)));
  expect(await sealAll()).toMatchObject({ ok: true, unsealed: 0 });
});
