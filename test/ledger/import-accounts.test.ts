/** A list of accounts on its way into the staging tables. What comes of it is tested in test/cli/import-accounts.test.ts. */
import { toMicro, ZERO } from '../../domain/money';
import type { AccountLine } from '../../ledger/contract/imports';
import { withAccountsImport } from '../../ledger/imports/accounts';
import { readCluster } from '../../ledger/imports/cluster';
import { freshDatabase } from '../helpers/database';
import { eventually } from '../helpers/eventually';

test('its lines are handed on while it is read, whichever kind they are, so that no file is too large', async () => {
  await using house = await freshDatabase();
  const { sql } = house;
  await sql`insert into ledger.clusters (name, time_zone) values ('default', 'UTC')`;
  const handedOn = (table: string) =>
    eventually(`there is something in ${table}`, async () => {
      const [row] = await sql<{ size: bigint }[]>`select pg_relation_size(${`ledger.${table}`}::regclass) as size`;
      return (row?.size ?? 0n) > 0n;
    });
  async function* lines(): AsyncGenerator<AccountLine> {
    for (let line = 1; line <= 5_000; line += 1) {
      yield {
        kind: 'account',
        line,
        name: `account ${line}`,
        title: 'x'.repeat(100),
        unit: 'USD',
        timeZone: 'UTC',
        status: 'active',
        limit: toMicro(1n),
        used: ZERO,
        startsAt: '2026-01-01T00:00:00Z',
        endsAt: '2027-01-01T00:00:00Z',
      };
    }
    await handedOn('account_rows');
    for (let line = 5_001; line <= 15_000; line += 1) {
      yield { kind: 'limit', line, name: 'account 1', partition: `p${line}`, limit: toMicro(1n) };
    }
    await handedOn('account_limit_rows');
  }
  const plan = await withAccountsImport(
    sql,
    { name: 'long.csv', lines: lines() },
    await readCluster(sql, 'default'),
    () => {},
    ({ plan: made }) => Promise.resolve(made),
  );
  expect(plan).toMatchObject({ accounts: 5_000, limits: 10_000, mistakesInAll: 0 });
});
