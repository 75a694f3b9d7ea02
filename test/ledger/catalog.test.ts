/** The catalog on a real database: clusters, partitions, rates, and the price book that admission works from. */
import { Fault } from '../../domain/faults';
import { toMicro, ZERO } from '../../domain/money';
import { openCatalog } from '../../ledger/catalog';
import { openPriceBooks } from '../../ledger/price-book';
import type { Caller, Catalog, Rate } from '../../ledger/contract';
import { freshDatabase, type TestDatabase } from '../helpers/database';

const ADMIN: Caller = { principal: 'admin' };
const caller = (key: string, body = key): Caller => ({ principal: 'admin', key, bodyHash: Buffer.from(body) });

const cpuRate = (rate: bigint, startsAt: string, endsAt: string | null = null): Omit<Rate, 'rateNo'> => ({
  cluster: 'alpha',
  resource: 'cpu',
  unit: 'USD',
  rate: toMicro(rate),
  startsAt,
  endsAt,
  source: 'price list',
});

let database: TestDatabase;
let catalog: Catalog;

beforeEach(async () => {
  database = await freshDatabase();
  catalog = openCatalog({ sql: database.sql });
  await catalog.putCluster('alpha', { timeZone: 'Europe/Berlin' }, ADMIN);
});

afterEach(() => database.drop());

const faultOf = async (promise: Promise<unknown>): Promise<Fault> => {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof Fault)) throw new Error(`expected a fault, got ${String(error)}`);
  return error;
};

const versionOf = async () => (await catalog.priceBook()).version;

describe('clusters', () => {
  test('a new cluster takes what it does not say from the configuration; one that is there keeps what it has', async () => {
    const clusterDefaults = { holdMultiplier: '1.5', reconciliationTimeoutSeconds: 7_200, defaultPartition: 'batch' };
    const configured = openCatalog({ sql: database.sql, clusterDefaults });
    const before = await catalog.readCluster('alpha');
    expect(await configured.putCluster('alpha', { failurePolicy: 'open' }, ADMIN)).toEqual({
      ...before,
      failurePolicy: 'open',
    });
    expect(await configured.createCluster('gamma', { timeZone: 'UTC', holdMultiplier: '1.1' }, ADMIN)).toMatchObject({
      ...clusterDefaults,
      holdMultiplier: '1.1',
    });
    expect(await configured.putCluster('delta', { timeZone: 'UTC' }, ADMIN)).toMatchObject(clusterDefaults);
  });

  test('a new cluster has the documented defaults and the zone in its usual spelling', async () => {
    expect(await catalog.putCluster('beta', { timeZone: 'america/new_york' }, ADMIN)).toEqual({
      name: 'beta',
      timeZone: 'America/New_York',
      enforcement: 'enforce',
      failurePolicy: 'closed',
      exemptUsers: ['root'],
      withoutAccount: 'deny',
      costSource: 'usage',
      unpriced: 'deny',
      pricePreset: 'asbb-compat',
      holdMultiplier: '1.2',
      minimumCharge: ZERO,
      endGraceSeconds: 300,
      reconciliationTimeoutSeconds: 86400,
      refundNodeFail: 'none',
      refundBootFail: 'none',
      refundPreempted: 'none',
      refundAdminCancel: 'none',
      refundLostTimeSeconds: 3600,
      partitions: [],
    });
    expect((await catalog.listClusters()).map(({ name }) => name)).toEqual(['alpha', 'beta']);
  });

  test('what is absent stays, and null takes a setting away', async () => {
    await catalog.putCluster('alpha', { defaultPartition: 'cpu', holdCap: toMicro(5n), holdMultiplier: '1.5' }, ADMIN);
    const changed = await catalog.putCluster('alpha', { holdCap: null, unpriced: 'allow' }, ADMIN);
    expect(changed).toMatchObject({ defaultPartition: 'cpu', holdMultiplier: '1.5', unpriced: 'allow' });
    expect(changed).not.toHaveProperty('holdCap');
    expect(await catalog.readCluster('alpha')).toEqual(changed);
  });

  test('a cluster without a zone, or with one that is no place, is refused with what to write', async () => {
    const missing = await faultOf(catalog.putCluster('beta', { unpriced: 'allow' }, ADMIN));
    expect(missing).toMatchObject({ code: 'malformed_request', errors: [{ pointer: '/time_zone' }] });
    const offset = await faultOf(catalog.putCluster('beta', { timeZone: '+02:00' }, ADMIN));
    expect(offset.message).toContain('Europe/Berlin');
  });

  test('creating a cluster that exists is refused; the same key again gets the first answer', async () => {
    const first = await catalog.createCluster('beta', { timeZone: 'UTC', holdCap: toMicro(7n) }, caller('k1'));
    expect(await catalog.createCluster('beta', { timeZone: 'UTC', holdCap: toMicro(7n) }, caller('k1'))).toEqual(first);
    expect((await faultOf(catalog.createCluster('beta', { timeZone: 'UTC' }, caller('k2')))).code).toBe(
      'cluster_exists',
    );
    expect((await faultOf(catalog.createCluster('beta', { timeZone: 'UTC' }, caller('k1', 'other')))).code).toBe(
      'key_reused',
    );
  });

  test('unknown clusters and partitions are named in the fault', async () => {
    expect((await faultOf(catalog.readCluster('nowhere'))).facts).toEqual({ cluster: 'nowhere' });
    expect((await faultOf(catalog.removePartition('alpha', 'nowhere', ADMIN))).code).toBe('partition_not_found');
    expect((await faultOf(catalog.putPartition('nowhere', { name: 'p', queueWeight: '1' }, ADMIN))).code).toBe(
      'cluster_not_found',
    );
  });
});

describe('partitions', () => {
  test('a partition is written whole, and taken away', async () => {
    const gpu = { name: 'gpu', maxTimeSeconds: 172_800, queueWeight: '2.5', costSource: 'reported' as const };
    expect(await catalog.putPartition('alpha', gpu, ADMIN)).toEqual(gpu);
    expect(await catalog.putPartition('alpha', { name: 'gpu', queueWeight: '1' }, ADMIN)).toEqual({
      name: 'gpu',
      queueWeight: '1',
    });
    await catalog.removePartition('alpha', 'gpu', ADMIN);
    expect((await catalog.readCluster('alpha')).partitions).toEqual([]);
  });
});

describe('rates', () => {
  test('a new rate ends the one in force at its start, so that no moment has two rates and none lost its rate', async () => {
    const first = await catalog.setRate(cpuRate(100_000n, '2026-01-01T00:00:00Z'), ADMIN);
    const second = await catalog.setRate(cpuRate(120_000n, '2026-07-01T00:00:00Z'), ADMIN);
    const { rows } = await catalog.listRates({ cluster: 'alpha' }, { limit: 10 });
    expect(rows).toEqual([second, { ...first, endsAt: '2026-07-01T00:00:00Z' }]);
    expect((await catalog.listRates({ at: '2026-06-30T23:59:59.999999Z' }, { limit: 10 })).rows).toMatchObject([
      { rate: 100_000n },
    ]);
    expect((await catalog.listRates({ at: '2026-07-01T00:00:00Z' }, { limit: 10 })).rows).toMatchObject([
      { rate: 120_000n },
    ]);
  });

  test('a rate that would run into a later one is refused, and nothing is changed', async () => {
    await catalog.setRate(cpuRate(1n, '2026-01-01T00:00:00Z'), ADMIN);
    await catalog.setRate(cpuRate(2n, '2026-07-01T00:00:00Z'), ADMIN);
    const before = (await catalog.listRates({}, { limit: 10 })).rows;
    const fault = await faultOf(catalog.setRate(cpuRate(3n, '2026-03-01T00:00:00Z'), ADMIN));
    expect(fault.code).toBe('rate_overlaps');
    expect(fault.message).toContain('ends_at 2026-07-01T00:00:00Z');
    expect((await faultOf(catalog.setRate(cpuRate(3n, '2026-07-01T00:00:00Z'), ADMIN))).code).toBe('rate_overlaps');
    expect((await catalog.listRates({}, { limit: 10 })).rows).toEqual(before);
    await catalog.setRate(cpuRate(3n, '2026-03-01T00:00:00Z', '2026-07-01T00:00:00Z'), ADMIN);
    expect((await catalog.listRates({}, { limit: 10 })).rows.map(({ rate }) => rate)).toEqual([3n, 2n, 1n]);
  });

  test('the database itself refuses two rates for one moment', async () => {
    await catalog.setRate(cpuRate(1n, '2026-01-01T00:00:00Z'), ADMIN);
    await expect(
      database.sql`insert into ledger.rates (cluster_no, resource, unit, rate_micro, starts_at, source)
                   select cluster_no, 'cpu', 'USD', 5, '2026-02-01', 'by hand' from ledger.clusters`,
    ).rejects.toMatchObject({ code: '23P01', constraint_name: 'rates_never_overlap' });
  });

  test('a partition, another unit and a GPU model have rates of their own beside it', async () => {
    const base = cpuRate(1n, '2026-01-01T00:00:00Z');
    await catalog.setRate(base, ADMIN);
    await catalog.setRate({ ...base, partition: 'gpu' }, ADMIN);
    await catalog.setRate({ ...base, unit: 'SU' }, ADMIN);
    await catalog.setRate({ ...base, resource: 'gpu:a100' }, ADMIN);
    expect((await catalog.listRates({ cluster: 'alpha' }, { limit: 10 })).rows).toHaveLength(4);
    expect((await catalog.listRates({ partition: 'gpu' }, { limit: 10 })).rows).toHaveLength(1);
    expect((await catalog.listRates({ resource: 'gpu:a100' }, { limit: 10 })).rows).toHaveLength(1);
  });

  test('the same rate again is the same rate, and prices nothing anew', async () => {
    const first = await catalog.setRate(cpuRate(1n, '2026-01-01T00:00:00Z'), ADMIN);
    const version = await versionOf();
    expect(await catalog.setRate(cpuRate(1n, '2026-01-01T00:00:00Z'), ADMIN)).toEqual(first);
    await catalog.putCluster('alpha', { timeZone: 'Europe/Berlin' }, ADMIN);
    expect(await versionOf()).toBe(version);
  });

  test('a key is good for one rate: again it gives the first answer, with another body it is refused', async () => {
    const first = await catalog.setRate(cpuRate(1n, '2026-01-01T00:00:00Z'), caller('k'));
    await catalog.setRate(cpuRate(2n, '2026-02-01T00:00:00Z'), ADMIN);
    expect(await catalog.setRate(cpuRate(1n, '2026-01-01T00:00:00Z'), caller('k'))).toEqual(first);
    expect((await faultOf(catalog.setRate(cpuRate(9n, '2026-03-01T00:00:00Z'), caller('k', 'other')))).code).toBe(
      'key_reused',
    );
  });

  test('a rate ends when told, not before it began, and not later than it ended already', async () => {
    const { rateNo } = await catalog.setRate(cpuRate(1n, '2026-01-01T00:00:00Z'), ADMIN);
    const ended = await catalog.endRate(rateNo, '2026-05-01T00:00:00Z', ADMIN);
    expect(ended.endsAt).toBe('2026-05-01T00:00:00Z');
    expect((await faultOf(catalog.endRate(rateNo, '2026-06-01T00:00:00Z', ADMIN))).code).toBe('rate_overlaps');
    expect((await faultOf(catalog.endRate(rateNo, '2026-01-01T00:00:00Z', ADMIN))).message).toContain('must be after');
    expect((await faultOf(catalog.endRate(4711, '2026-06-01T00:00:00Z', ADMIN))).code).toBe('rate_not_found');
  });

  test('a rate that has not begun can be taken away whole', async () => {
    const { rateNo } = await catalog.setRate(cpuRate(1n, '2999-01-01T00:00:00Z'), ADMIN);
    await catalog.endRate(rateNo, '2999-01-01T00:00:00Z', ADMIN);
    expect((await catalog.listRates({}, { limit: 10 })).rows).toEqual([]);
  });

  test('an end before the beginning is refused at its field', async () => {
    const fault = await faultOf(catalog.setRate(cpuRate(1n, '2026-01-01T00:00:00Z', '2025-01-01T00:00:00Z'), ADMIN));
    expect(fault).toMatchObject({ code: 'malformed_request', errors: [{ pointer: '/ends_at' }] });
  });

  test('twenty rates set at once for one moment leave one', async () => {
    const answers = await Promise.allSettled(
      Array.from({ length: 20 }, (_, index) =>
        catalog.setRate(cpuRate(BigInt(index + 1), '2026-01-01T00:00:00Z'), ADMIN),
      ),
    );
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect((await catalog.listRates({}, { limit: 100 })).rows).toHaveLength(1);
  });

  test('pages follow one another without loss or repetition', async () => {
    for (let month = 1; month <= 7; month++) {
      await catalog.setRate(cpuRate(BigInt(month), `2026-0${month}-01T00:00:00Z`), ADMIN);
    }
    const seen: bigint[] = [];
    for (let cursor: string | undefined; ;) {
      const page = await catalog.listRates({}, { limit: 3, ...(cursor === undefined ? {} : { cursor }) });
      seen.push(...page.rows.map(({ rate }) => rate));
      if (page.nextCursor === undefined) break;
      cursor = page.nextCursor;
    }
    expect(seen).toEqual([7n, 6n, 5n, 4n, 3n, 2n, 1n]);
    expect((await faultOf(catalog.listRates({}, { limit: 3, cursor: 'x' }))).code).toBe('malformed_request');
  });

  test('who changed what is on record, with before and after', async () => {
    await catalog.setRate(cpuRate(1n, '2026-01-01T00:00:00Z'), { principal: 'rkaur' });
    await catalog.setRate(cpuRate(2n, '2026-02-01T00:00:00Z'), { principal: 'mlee' });
    const changes = await database.sql`
      select action, actor, before ->> 'rate' as before, after ->> 'rate' as after
      from ledger.changes where action = 'set_rate' order by change_no`;
    expect([...changes]).toEqual([
      { action: 'set_rate', actor: 'rkaur', before: null, after: '1' },
      { action: 'set_rate', actor: 'mlee', before: '1', after: '2' },
    ]);
  });
});

describe('the price book', () => {
  test('holds clusters, partitions and rates with the version they were read at', async () => {
    await catalog.putPartition('alpha', { name: 'gpu', queueWeight: '2' }, ADMIN);
    await catalog.setRate(cpuRate(100_000n, '2026-01-01T00:00:00Z'), ADMIN);
    const book = await catalog.priceBook();
    const [row] = await database.sql<{ version: bigint }[]>`select version from ledger.catalog_version`;
    expect(book.version).toBe(row?.version);
    expect(book.clusters.get('alpha')).toMatchObject({ clusterNo: 1, partitions: [{ name: 'gpu', queueWeight: '2' }] });
    expect(book.rates).toMatchObject([{ cluster: 'alpha', resource: 'cpu', rate: 100_000n, endsAt: null }]);
  });

  test('stays in memory until somebody says it is stale', async () => {
    const books = openPriceBooks(database.sql);
    const first = await books.current();
    await catalog.setRate(cpuRate(1n, '2026-01-01T00:00:00Z'), ADMIN);
    expect(await books.current()).toBe(first);
    const second = await books.refresh(first.version);
    expect(second.version).toBeGreaterThan(first.version);
    expect(second.rates).toHaveLength(1);
    expect(await books.refresh(first.version)).toBe(second);
    expect(await books.upToDate()).toBe(second);
  });

  test('changes made in this process are in it at once', async () => {
    const books = openPriceBooks(database.sql);
    await books.current();
    const shared = openCatalog({ sql: database.sql, priceBooks: books });
    await shared.setRate(cpuRate(1n, '2026-01-01T00:00:00Z'), ADMIN);
    expect((await books.current()).rates).toHaveLength(1);
  });

  test('many readers at once share one reading', async () => {
    const books = openPriceBooks(database.sql);
    const all = await Promise.all(Array.from({ length: 50 }, () => books.current()));
    expect(new Set(all).size).toBe(1);
  });
});
