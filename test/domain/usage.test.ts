/** What a run has cost: cuts that sum to the whole, days of every length, and holds that cover their charge. */
import fc from 'fast-check';
import { renderAmount, toMicro, ZERO } from '../../domain/money';
import type { ClusterTerms } from '../../domain/meter';
import { estimate } from '../../domain/price';
import type { DatedRate } from '../../domain/tariff';
import { cutDays, cutUsage, spread, type RunUsage } from '../../domain/usage';
import type { Resources } from '../../domain/job';
import { epochMicros, instantOfMicros, instantOfSeconds } from '../../domain/time';
import { epochSeconds } from '../helpers/instants';
import {
  UNIT,
  clusterWith,
  piecesOf,
  rate,
  requestFor,
  resources,
  someCluster,
  someLength,
  somePartition,
  someRates,
  someResources,
  someStart,
  someZone,
  totalOf,
} from './prices';

const ALPHA = clusterWith();
const CPU_HOUR = [rate('cpu', 1), rate('gpu', 0)];

const run = (startsAt: string, endsAt: string, used: Resources = resources()) => ({
  partition: 'batch',
  slices: [{ startsAt, endsAt, resources: used }],
});

const sumOf = (pieces: readonly { amount: bigint }[]) => pieces.reduce((sum, { amount }) => sum + amount, 0n);

describe('days', () => {
  const hoursByDay = (startsAt: string, endsAt: string, zone: string) =>
    piecesOf(cutUsage(run(startsAt, endsAt), ALPHA, CPU_HOUR, UNIT, zone)).map(({ amount }) => renderAmount(amount));

  test('a run is cut at the midnights of its cluster', () => {
    expect(
      piecesOf(cutUsage(run('2026-03-02T22:30:00Z', '2026-03-03T23:30:00Z'), ALPHA, CPU_HOUR, UNIT, 'Europe/Berlin')),
    ).toEqual([
      { startsAt: '2026-03-02T22:30:00Z', endsAt: '2026-03-02T23:00:00Z', amount: 500_000n },
      { startsAt: '2026-03-02T23:00:00Z', endsAt: '2026-03-03T23:00:00Z', amount: 24_000_000n },
      { startsAt: '2026-03-03T23:00:00Z', endsAt: '2026-03-03T23:30:00Z', amount: 500_000n },
    ]);
  });

  test('the day on which summer begins has 23 hours, the day on which it ends 25', () => {
    expect(hoursByDay('2026-03-27T23:00:00Z', '2026-03-30T22:00:00Z', 'Europe/Berlin')).toEqual(['24', '23', '24']);
    expect(hoursByDay('2026-10-23T22:00:00Z', '2026-10-26T23:00:00Z', 'Europe/Berlin')).toEqual(['24', '25', '24']);
  });

  test('a leap day is a day', () => {
    const leap = [rate('cpu', 1, { startsAt: '2024-01-01T00:00:00Z' })];
    const cut = cutUsage(run('2024-02-28T00:00:00Z', '2024-03-02T00:00:00Z'), ALPHA, leap, UNIT, 'UTC');
    expect(piecesOf(cut)).toHaveLength(3);
  });

  test('midnight of 30 September splits a run between two fiscal years', () => {
    expect(hoursByDay('2026-09-30T23:00:00Z', '2026-10-01T02:00:00Z', 'UTC')).toEqual(['1', '2']);
  });
});

describe('what happened during a run', () => {
  test('a rate counts from the moment it changes', () => {
    const rates = [
      rate('cpu', 1, { endsAt: '2026-06-01T12:00:00Z' }),
      rate('cpu', 3, { startsAt: '2026-06-01T12:00:00Z' }),
    ];
    expect(
      piecesOf(cutUsage(run('2026-06-01T11:00:00Z', '2026-06-01T13:00:00Z'), ALPHA, rates, UNIT, 'UTC')).map(
        ({ amount }) => amount,
      ),
    ).toEqual([1_000_000n, 3_000_000n]);
  });

  test('a resize counts from the moment it happened, a suspension not at all', () => {
    const slices = [
      { startsAt: '2026-06-01T01:00:00Z', endsAt: '2026-06-01T02:00:00Z', resources: resources({ cpus: 4 }) },
      { startsAt: '2026-06-01T02:00:00Z', endsAt: '2026-06-01T03:00:00Z', resources: resources({ cpus: 2 }) },
      { startsAt: '2026-06-01T05:00:00Z', endsAt: '2026-06-01T06:00:00Z', resources: resources({ cpus: 2 }) },
    ];
    expect(totalOf(cutUsage({ partition: 'batch', slices }, ALPHA, CPU_HOUR, UNIT, 'UTC'))).toBe(8_000_000n);
  });

  test('suspended time that nobody can place is taken off evenly', () => {
    const usage = { ...run('2026-06-01T22:00:00Z', '2026-06-02T02:00:00Z'), suspendedSeconds: 7200 };
    expect(piecesOf(cutUsage(usage, ALPHA, CPU_HOUR, UNIT, 'UTC')).map(({ amount }) => amount)).toEqual([
      1_000_000n,
      1_000_000n,
    ]);
    expect(totalOf(cutUsage({ ...usage, suspendedSeconds: 99_999 }, ALPHA, CPU_HOUR, UNIT, 'UTC'))).toBe(0n);
  });

  test('a suspended run still pays for the GPUs and the memory that nobody else can have', () => {
    const rated = [rate('cpu', 1), rate('gpu', 5)];
    const usage = run('2026-06-01T00:00:00Z', '2026-06-01T04:00:00Z', resources({ gpus: 1 }));
    const costOf = (more: Partial<RunUsage>) => totalOf(cutUsage({ ...usage, ...more }, ALPHA, rated, UNIT, 'UTC'));
    expect(costOf({})).toBe(24_000_000n);
    expect(costOf({ suspendedSeconds: 3600 })).toBe(23_000_000n);
    expect(costOf({ suspendedSeconds: 99_999 })).toBe(20_000_000n);
    const suspended = run('2026-06-01T00:00:00Z', '2026-06-01T01:00:00Z', resources({ gpus: 1, cpus: 0, nodes: 0 }));
    const after = run('2026-06-01T01:00:00Z', '2026-06-01T04:00:00Z', resources({ gpus: 1 }));
    const slices = [...suspended.slices.map((slice) => ({ ...slice, isSuspended: true })), ...after.slices];
    expect(costOf({ slices })).toBe(23_000_000n);
    expect(costOf({ slices, suspendedSeconds: 3600 })).toBe(22_000_000n);
  });

  test('a run of no length, or without slices, costs nothing and has no pieces', () => {
    for (const usage of [run('2026-06-01T00:00:00Z', '2026-06-01T00:00:00Z'), { partition: 'batch', slices: [] }]) {
      expect(cutUsage(usage, clusterWith({ minimumCharge: toMicro(5n) }), CPU_HOUR, UNIT, 'UTC')).toMatchObject({
        pieces: [],
        total: 0n,
      });
    }
  });

  test('the minimum charge falls at the beginning', () => {
    const cluster = clusterWith({ minimumCharge: toMicro(3_000_000n) });
    const cut = cutUsage(run('2026-06-01T23:00:00Z', '2026-06-02T01:00:00Z'), cluster, CPU_HOUR, UNIT, 'UTC');
    expect(piecesOf(cut).map(({ amount }) => amount)).toEqual([3_000_000n, 0n]);
  });

  test('the edges of funds cut as well', () => {
    const cut = cutUsage(run('2026-06-01T10:00:00Z', '2026-06-01T12:00:00Z'), ALPHA, CPU_HOUR, UNIT, 'UTC', {
      cutsAt: ['2026-06-01T11:00:00Z', '2026-07-01T00:00:00Z'],
    });
    expect(piecesOf(cut).map(({ amount }) => amount)).toEqual([1_000_000n, 1_000_000n]);
  });

  test('the preset counts a CPU once when it settles', () => {
    const used = resources({ nodes: 2, cpus: 16, gpus: 4 });
    const cut = cutUsage(
      { ...run('2026-06-01T10:00:00Z', '2026-06-01T14:00:00Z', used), partition: 'gpu-aws' },
      ALPHA,
      [],
      UNIT,
      'UTC',
    );
    expect(cut).toMatchObject({ total: (6_400_000n + 32_000_000n) * 2n, method: 'asbb-compat' });
  });

  test('jobs that were running when the first rate was entered pay the preset until then', () => {
    const rates = [rate('cpu', 1, { startsAt: '2026-06-01T11:00:00Z' })];
    expect(totalOf(cutUsage(run('2026-06-01T10:00:00Z', '2026-06-01T12:00:00Z'), ALPHA, rates, UNIT, 'UTC'))).toBe(
      1_100_000n,
    );
  });
});

describe('quarantine', () => {
  const reasonOf = (
    used: Resources,
    rates: DatedRate[],
    cluster: ClusterTerms = ALPHA,
    endsAt = '2026-06-01T12:00:00Z',
  ) => {
    const cut = cutUsage(run('2026-06-01T10:00:00Z', endsAt, used), cluster, rates, UNIT, 'UTC');
    return 'quarantined' in cut ? cut.quarantined : undefined;
  };

  test('a GPU without a rate, a partition without a rate and a gap are never guessed as zero', () => {
    expect(reasonOf(resources({ gpus: 1, gpusByModel: { h100: 1 } }), [rate('cpu', 1)])).toContain(
      'gpu:h100 has no rate',
    );
    expect(reasonOf(resources(), [rate('cpu', 1, { partition: 'other' })])).toContain(
      'partition batch of alpha has no rate',
    );
    expect(reasonOf(resources(), [rate('cpu', 1, { endsAt: '2026-06-01T11:00:00Z' })])).toContain('gap');
    expect(reasonOf(resources(), [], clusterWith({ pricePreset: 'none' }))).toContain('cluster alpha has no rate');
    expect(reasonOf(resources(), [rate('cpu', 1)])).toBeUndefined();
  });

  test('also where admission allowed it: a hold may be too small, a charge may not be a guess', () => {
    const allowing = clusterWith({ unpriced: 'allow' });
    expect(reasonOf(resources({ gpus: 1 }), [rate('cpu', 1)], allowing)).toContain('gpu has no rate');
  });

  test('a run that would have lasted ten years or cost more than there is has wrong facts', () => {
    expect(reasonOf(resources(), CPU_HOUR, ALPHA, '2037-01-01T00:00:00Z')).toContain('check when it started');
    expect(reasonOf(resources({ cpus: 1e12 }), CPU_HOUR)).toContain('check its resources');
  });
});

describe('properties', () => {
  const someRun = fc.record({
    start: someStart,
    length: someLength,
    used: someResources,
    rates: someRates,
    cluster: someCluster,
    partition: somePartition,
    zone: someZone,
    cuts: fc.array(fc.integer({ min: 0, max: 31 * 86_400 }), { maxLength: 6 }),
  });

  test('however a run is cut, its pieces follow one another and sum to the whole', () =>
    fc.assert(
      fc.property(someRun, ({ start, length, used, rates, cluster, partition, zone, cuts }) => {
        const [startsAt, endsAt] = [instantOfSeconds(start), instantOfSeconds(start + length)];
        const usage = { ...run(startsAt, endsAt, used), partition };
        const cutsAt = cuts.map((second) => instantOfSeconds(start + second));
        const pieces = piecesOf(cutUsage(usage, cluster, rates, UNIT, zone, { cutsAt }));
        const whole = totalOf(cutUsage(usage, cluster, rates, UNIT, 'UTC'));
        expect(sumOf(pieces)).toBe(whole);
        expect(pieces[0]?.startsAt).toBe(startsAt);
        expect(pieces.at(-1)?.endsAt).toBe(endsAt);
        pieces.forEach(({ startsAt: from, endsAt: to, amount }, index) => {
          expect(epochMicros(from)).toBeLessThan(epochMicros(to));
          expect(amount).toBeGreaterThanOrEqual(0n);
          if (index > 0) expect(pieces[index - 1]?.endsAt).toBe(from);
        });
      }),
      { numRuns: 300 },
    ));

  test('a hold covers its charge of the same length and resources, and exceeds it by less than one millionth', () =>
    fc.assert(
      fc.property(someRun, ({ start, length, used, rates, cluster, partition, zone }) => {
        const request = requestFor({ partition, resources: used, wallSeconds: length });
        const { hold, estimated } = estimate(request, cluster, rates, UNIT, instantOfSeconds(start));
        const usage = { ...run(instantOfSeconds(start), instantOfSeconds(start + length), used), partition };
        const charge = totalOf(cutUsage(usage, cluster, rates, UNIT, zone));
        expect(charge).toBe(estimated);
        expect(hold).toBeGreaterThanOrEqual(charge);
        expect(hold - charge).toBeLessThanOrEqual(1n);
        const literal = estimate({ ...request, fromTres: false }, cluster, rates, UNIT, instantOfSeconds(start));
        expect(literal.hold).toBeGreaterThanOrEqual(hold);
      }),
      { numRuns: 300 },
    ));

  test('so does the hold of the preset, which counts more than its charge', () =>
    fc.assert(
      fc.property(someRun, fc.boolean(), ({ start, length, used, partition, zone }, fromTres) => {
        const request = requestFor({ partition, resources: used, wallSeconds: length, fromTres });
        const { hold } = estimate(request, clusterWith({ holdMultiplier: '1' }), [], UNIT, instantOfSeconds(start));
        const usage = { ...run(instantOfSeconds(start), instantOfSeconds(start + length), used), partition };
        expect(totalOf(cutUsage(usage, ALPHA, [], UNIT, zone))).toBeLessThanOrEqual(hold);
      }),
    ));

  test('a shorter run of the same job never costs more', () =>
    fc.assert(
      fc.property(
        someRun,
        fc.double({ min: 0, max: 1, noNaN: true }),
        ({ start, length, used, rates, cluster, partition, zone }, share) => {
          const costOf = (seconds: number) =>
            totalOf(
              cutUsage(
                { ...run(instantOfSeconds(start), instantOfSeconds(start + seconds), used), partition },
                cluster,
                rates,
                UNIT,
                zone,
              ),
            );
          expect(costOf(Math.floor(length * share))).toBeLessThanOrEqual(costOf(length));
        },
      ),
    ));

  test('the cost is that of adding it up second by second', () =>
    fc.assert(
      fc.property(someRun, fc.integer({ min: 1, max: 90 }), ({ start, used, rates, partition }, length) => {
        // Changes of rates come into the few seconds that are looked at.
        const near = rates.map(({ startsAt, endsAt, ...rest }) => ({
          ...rest,
          startsAt: nearer(startsAt),
          endsAt: endsAt && nearer(endsAt),
        }));
        const valid = near.filter(({ startsAt, endsAt }) => endsAt === null || startsAt < endsAt);
        const usage = { ...run(instantOfSeconds(start), instantOfSeconds(start + length), used), partition };
        const cut = cutUsage(usage, clusterWith({ pricePreset: 'none' }), valid, UNIT, 'UTC');
        fc.pre(!('quarantined' in cut));
        if ('quarantined' in cut) return;
        let exact = 0n; // In millionths x 3600 x 1024.
        for (let second = start; second < start + length; second++) exact += perHourAt(second, used, partition, valid);
        const distance = cut.total * 3600n * 1024n - exact;
        expect(2n * (distance < 0n ? -distance : distance)).toBeLessThanOrEqual(3600n * 1024n);

        function nearer(instant: string): string {
          const seconds = epochSeconds(instant);
          return instantOfSeconds(start + ((((seconds - start) % 60) + 60) % 60) - (seconds < start ? 3600 : 0));
        }
      }),
      { numRuns: 300 },
    ));

  test('what is spread sums to what was reported, piece by piece', () =>
    fc.assert(
      fc.property(
        someRun,
        fc.bigInt({ min: 0n, max: 10n ** 15n }),
        ({ start, length, used, rates, cluster, partition, zone }, total) => {
          const [startsAt, endsAt] = [instantOfSeconds(start), instantOfSeconds(start + length)];
          const priced = piecesOf(cutUsage({ ...run(startsAt, endsAt, used), partition }, cluster, rates, UNIT, zone));
          for (const pieces of [priced, cutDays({ startsAt, endsAt }, zone)]) {
            const parts = spread(toMicro(total), pieces);
            expect(sumOf(parts)).toBe(total);
            expect(parts.map(({ startsAt: from, endsAt: to }) => [from, to])).toEqual(
              pieces.map(({ startsAt: from, endsAt: to }) => [from, to]),
            );
            for (const { amount } of parts) expect(amount).toBeGreaterThanOrEqual(0n);
          }
        },
      ),
    ));

  /** The rate of one moment by the rule as a person would read it, in millionths x 1024 per hour. */
  function perHourAt(second: number, used: Resources, partition: string, rates: readonly DatedRate[]): bigint {
    const at = instantOfMicros(BigInt(second) * 1_000_000n);
    const isIn = (r: DatedRate) => r.startsAt <= at && (r.endsAt === null || at < r.endsAt);
    const find = (where: string | undefined, ...names: string[]) =>
      names
        .map((name) => rates.find((r) => r.partition === where && r.resource === name && isIn(r)))
        .find((r) => r !== undefined);
    const of = (...names: string[]) => (find(partition, ...names) ?? find(undefined, ...names))?.rate ?? 0n;
    const a100 = BigInt(used.gpusByModel.a100 ?? 0);
    return (
      1024n * (BigInt(used.nodes) * of('node') + BigInt(used.cpus) * of('cpu') + a100 * of('gpu:a100', 'gpu')) +
      1024n * (BigInt(used.gpus) - a100) * of('gpu') +
      BigInt(used.memoryMib) * of('mem')
    );
  }
});

describe('spread', () => {
  const day = (n: number, amount = ZERO) => ({
    startsAt: `2026-06-0${n}T00:00:00Z`,
    endsAt: `2026-06-0${n + 1}T00:00:00Z`,
    amount,
  });

  test('follows what the rates say, and time where they say nothing', () => {
    expect(spread(toMicro(100n), [day(1, toMicro(1n)), day(2, toMicro(3n))]).map(({ amount }) => amount)).toEqual([
      25n,
      75n,
    ]);
    expect(spread(toMicro(100n), [day(1), day(2)]).map(({ amount }) => amount)).toEqual([50n, 50n]);
  });

  test('loses nothing where the pieces have neither', () => {
    const moment = { startsAt: '2026-06-01T00:00:00Z', endsAt: '2026-06-01T00:00:00Z', amount: ZERO };
    expect(spread(toMicro(7n), [moment, moment]).map(({ amount }) => amount)).toEqual([7n, 0n]);
    expect(spread(toMicro(7n), [])).toEqual([]);
  });
});
