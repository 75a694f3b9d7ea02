/** A thousand jobs of NREL's Eagle: what people really ask for must be read and priced whole, without an exception. */
import { toMicro, ZERO } from '../../domain/money';
import type { ClusterTerms } from '../../domain/meter';
import { estimate } from '../../domain/price';
import type { DatedRate } from '../../domain/tariff';
import { cutUsage } from '../../domain/usage';
import { eventsOf, readSacct, type SacctRecord } from '../../domain/sacct';
import { renderDuration } from '../../domain/slurm-time';
import { epochSeconds } from '../helpers/instants';
import { readCsv, readData } from './data';

const ZONE = 'America/Denver';

const CLUSTER: ClusterTerms = {
  name: 'eagle',
  unpriced: 'deny',
  pricePreset: 'none',
  holdMultiplier: '1',
  minimumCharge: ZERO,
  partitions: [],
};

const rate = (resource: string, micro: bigint): DatedRate => ({
  cluster: 'eagle',
  resource,
  unit: 'SU',
  rate: toMicro(micro),
  startsAt: '2018-10-01T00:00:00Z',
  endsAt: null,
});

/** Eagle charged 3 units per node-hour. */
const RATES = [rate('node', 3_000_000n), rate('gpu', 1_500_000n)];

let rows: Record<string, string>[];
let records: SacctRecord[];

/** The sample as `sacct -P` would have written it. */
const asSacct = (row: Record<string, string>): string =>
  [
    row.job_id,
    row.user,
    row.account,
    row.partition,
    row.submit_time,
    row.start_time,
    row.end_time,
    row.state,
    renderDuration(Number(row.wallclock_req)),
    `cpu=${row.processors_req},mem=${row.mem_req}M,node=${row.nodes_req},gres/gpu=${row.gpus_req}`,
    row.name,
  ].join('|');

beforeAll(() => {
  rows = readCsv(readData('eagle-sample.csv'));
  const header = 'JobID|User|Account|Partition|Submit|Start|End|State|Timelimit|AllocTRES|JobName';
  records = [];
  for (const line of readSacct([header, ...rows.map(asSacct)], { timeZone: ZONE })) {
    if ('fault' in line) throw line.fault;
    records.push(line.record);
  }
});

test('every row is read, with the run time and the time limit that the sample states', () => {
  expect(rows).toHaveLength(1000);
  expect(records).toHaveLength(1000);
  expect(
    records.map(({ startedAt = '', endedAt = '', timeLimit }) => [
      epochSeconds(endedAt) - epochSeconds(startedAt),
      timeLimit.wallSeconds,
    ]),
  ).toEqual(rows.map((row) => [Number(row.run_time), Number(row.wallclock_req)]));
});

test('every row tells its story: submitted, started, ended', () => {
  for (const record of records) {
    expect(eventsOf(record).map(({ type }) => type)).toEqual(['submitted', 'started', 'ended']);
  }
});

test('the hold of every job that kept its limit covers its charge', () => {
  let checked = 0;
  for (const { timeLimit, allocated, partition = '', startedAt = '', endedAt = '', state } of records) {
    if (state.endState === 'TIMEOUT') continue; // Slurm notices up to a minute late.
    const request = { partition, resources: allocated, fromTres: true, ...timeLimit, arrayTasks: 1 };
    const { hold, refusal } = estimate(request, CLUSTER, RATES, 'SU', startedAt);
    const slices = [{ startsAt: startedAt, endsAt: endedAt, resources: allocated }];
    const cut = cutUsage({ partition, slices }, CLUSTER, RATES, 'SU', ZONE);
    if ('quarantined' in cut || refusal) throw new Error('eagle is priced whole');
    expect(cut.total).toBeLessThanOrEqual(hold);
    checked += 1;
  }
  expect(checked).toBe(985);
});

test('node-hours at three units each come to three times the node-seconds of the sample', () => {
  const total = records.reduce((sum, { allocated, partition = '', startedAt = '', endedAt = '' }) => {
    const slices = [{ startsAt: startedAt, endsAt: endedAt, resources: { ...allocated, gpus: 0 } }];
    const cut = cutUsage({ partition, slices }, CLUSTER, RATES, 'SU', ZONE);
    if ('quarantined' in cut) throw new Error(cut.quarantined);
    return sum + cut.total;
  }, 0n);
  const nodeSeconds = rows.reduce((sum, row) => sum + BigInt(row.nodes_req ?? 0) * BigInt(Number(row.run_time)), 0n);
  const exact = (nodeSeconds * 3_000_000n) / 3600n;
  const difference = total > exact ? total - exact : exact - total;
  expect(difference).toBeLessThan(1000n); // At most half a millionth for each of the thousand.
});
