/**
 * XDMoD publishes what a real cluster's accounting log adds up to, day by day. Our pricing, at one unit per resource-hour,
 * must come to the same (rulings 32).
 */
import { renderAmount, toMicro, ZERO, type Micro } from '../../domain/money';
import type { ClusterTerms } from '../../domain/meter';
import type { DatedRate } from '../../domain/tariff';
import { cutUsage } from '../../domain/usage';
import { readSacct, type SacctRecord } from '../../domain/sacct';
import { civilDateOf } from '../helpers/instants';
import { readCsv, readData } from './data';

/** The log has no zone; XDMoD cuts at midnight of its own clock, and any zone without summer time does the same. */
const ZONE = 'UTC';

const CLUSTER: ClusterTerms = {
  name: 'phillips',
  unpriced: 'deny',
  pricePreset: 'none',
  holdMultiplier: '1',
  minimumCharge: ZERO,
  partitions: [],
};

/** In each unit one kind costs one per hour, and GPUs, which are never unbilled in silence, are free by name. */
const RATES: DatedRate[] = (
  [
    ['cpu-hours', 'cpu', 1_000_000n],
    ['cpu-hours', 'gpu', 0n],
    ['gpu-hours', 'gpu', 1_000_000n],
    ['node-hours', 'node', 1_000_000n],
    ['node-hours', 'gpu', 0n],
  ] as const
).map(([unit, resource, rate]) => ({
  cluster: 'phillips',
  resource,
  unit,
  rate: toMicro(rate),
  startsAt: '2016-01-01T00:00:00Z',
  endsAt: null,
}));

const records: SacctRecord[] = [];
beforeAll(() => {
  for (const line of readSacct(readData('sacct-phillips.log').split('\n'), { timeZone: ZONE })) {
    if ('fault' in line) throw line.fault;
    records.push(line.record);
  }
});

test('every row of the log is read', () => {
  expect(records).toHaveLength(4285);
  expect(records.filter(({ hasUncertainTime }) => hasUncertainTime)).toEqual([]);
  expect(countBy(records, ({ state }) => state.endState ?? 'none')).toEqual({
    COMPLETED: 2324,
    FAILED: 1717,
    CANCELLED: 243,
    TIMEOUT: 1,
  });
});

test('239 jobs never got a node, all of them on the last day of 2016', () => {
  const waiting = records.filter(({ startedAt }) => startedAt === undefined);
  expect(waiting).toHaveLength(239);
  expect(new Set(waiting.map(({ endedAt }) => civilDateOf(endedAt ?? '', ZONE)))).toEqual(new Set(['2016-12-31']));
});

test('memory marked as per CPU comes to what Slurm itself allocated', () => {
  for (const { fields, allocated } of records.filter(({ fields }) => fields.reqmem === '2147486648Mn')) {
    expect({ line: fields.jobid, mib: allocated.memoryMib }).toEqual({
      line: fields.jobid,
      mib: 3000 * allocated.cpus,
    });
  }
});

test.each(['cpu-hours', 'gpu-hours', 'node-hours'])('%s of each day are those that XDMoD publishes', (unit) => {
  const days = new Map<string, bigint>();
  for (const record of records) {
    for (const { startsAt, amount } of piecesOf(record, unit)) {
      const day = civilDateOf(startsAt, ZONE);
      days.set(day, (days.get(day) ?? 0n) + amount);
    }
  }
  const expected = readCsv(readData('sacct-phillips-expected-daily.csv'));
  expect(expected).toHaveLength(11);
  const column = unit.replace('-', '_');
  expect([...days].sort().map(([day, amount]) => [day, atFourDecimals(amount)])).toEqual(
    expected.map((row) => [row.day, row[column]]),
  );
});

test('jobs ended, day by day, are those that XDMoD publishes', () => {
  const ran = records.filter(({ startedAt }) => startedAt !== undefined);
  const ended = countBy(ran, ({ endedAt }) => civilDateOf(endedAt ?? '', ZONE));
  const expected = readCsv(readData('sacct-phillips-expected-daily.csv'));
  expect(expected.map(({ day = '' }) => [day, ended[day] ?? 0])).toEqual(
    expected.map(({ day, jobs_ended }) => [day, Number(jobs_ended)]),
  );
});

function piecesOf({ startedAt, endedAt, allocated, partition = '' }: SacctRecord, unit: string) {
  if (startedAt === undefined || endedAt === undefined) return [];
  const slices = [{ startsAt: startedAt, endsAt: endedAt, resources: allocated }];
  const cut = cutUsage({ partition, slices }, CLUSTER, RATES, unit, ZONE);
  if ('quarantined' in cut) throw new Error(cut.quarantined);
  return cut.pieces;
}

function countBy<T>(rows: readonly T[], keyOf: (row: T) => string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const row of rows) counts[keyOf(row)] = (counts[keyOf(row)] ?? 0) + 1;
  return counts;
}

/** Rounded half up, as published. */
function atFourDecimals(amount: bigint): string {
  const [whole = '', decimals = ''] = renderAmount(((amount + 50n) / 100n) * (100n as Micro)).split('.');
  return `${whole}.${decimals.padEnd(4, '0')}`;
}
