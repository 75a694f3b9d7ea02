/** What a job will cost: the preset, rates and what has none, limits of time, holds. */
import fc from 'fast-check';
import { toMicro } from '../../domain/money';
import { estimate } from '../../domain/price';
import type { DatedRate } from '../../domain/tariff';
import { readResources } from '../../domain/slurm-resources';
import { readTimeLimit } from '../../domain/slurm-time';
import { NEW_YEAR, UNIT, clusterWith, rate, requestFor, resources } from './prices';
import { faultOf } from './only-faults';

const AT = '2026-03-02T14:31:51Z';
const ALPHA = clusterWith();

const price = (
  request: Parameters<typeof requestFor>[0],
  rates: DatedRate[] = [],
  cluster = ALPHA,
  options: { holdMultiplier?: string } = {},
) => estimate(requestFor(request), cluster, rates, UNIT, AT, options);

describe('the preset asbb-compat', () => {
  /** As the submit plugin asks: single fields, so the formula is taken literally. */
  const asbb = (partition: string, nodes: number, cpus: number, gpus: number, wallTime: string) =>
    price({ partition, resources: resources({ nodes, cpus, gpus }), fromTres: false, ...readTimeLimit(wallTime) })
      .estimated;

  test.each([
    // (nodes x cpus x 0.10 x hours + gpus x 2.00 x hours) x what the partition's name says
    ['cpu', 1, 1, 0, '01:00:00', 100_000n],
    ['cpu', 2, 16, 0, '04:00:00', 12_800_000n],
    ['gpu-aws', 2, 16, 4, '04:00:00', 89_600_000n],
    ['AWS-cpu', 2, 16, 0, '04:00:00', 19_200_000n],
    ['debug', 1, 4, 0, '30', 100_000n],
    ['debug-gpu', 1, 4, 1, '01:00:00', 4_800_000n],
    ['cpu', 1, 1, 0, '1', 10_000n], // The minimum: 0.0016 would be less than a cent.
    ['cpu', 1, 1, 0, '100:00:00', 10_000_000n],
  ])('%s: %i nodes, %i CPUs, %i GPUs for %s', (partition, nodes, cpus, gpus, wallTime, micro) =>
    expect(asbb(partition, nodes, cpus, gpus, wallTime)).toBe(micro),
  );

  test('a day and a half is not one hour', () => {
    expect(asbb('cpu', 1, 1, 0, '1-12:00:00')).toBe(36n * asbb('cpu', 1, 1, 0, '01:00:00'));
  });

  test('CPUs are the total of the job: with TRES each counts once', () => {
    const { resources: asked, fromTres } = readResources({ tres: 'cpu=16,node=2,mem=64G' });
    expect(price({ resources: asked, fromTres }).estimated).toBe(1_600_000n);
    expect(price({ resources: asked, fromTres: false }).estimated).toBe(3_200_000n);
  });

  test('the hold is 120 % of it, and the answer says how it was made', () => {
    const answer = price({
      partition: 'gpu-aws',
      resources: resources({ nodes: 2, cpus: 16, gpus: 4 }),
      fromTres: false,
    });
    expect(answer).toMatchObject({
      estimated: 22_400_000n,
      hold: 26_880_000n,
      holdMultiplier: '1.2',
      method: 'asbb-compat',
      confidence: 0.6,
      recommendation: 'Fallback cost estimate - advisor service unavailable',
      wallSeconds: 3600,
    });
    expect(answer.lines).toEqual([
      '32 node x cpu x 1 h x 0.1 USD',
      '4 gpu x 1 h x 2 USD',
      'x 2, which asbb-compat reads from the name gpu-aws',
      '= 22.4 USD for 01:00:00 on alpha',
    ]);
  });

  test('prices until the first rate of the unit begins, and not after', () => {
    const rates = [rate('cpu', 1, { startsAt: '2026-03-02T15:01:51Z' })];
    expect(price({}, rates).estimated).toBe(50_000n + 500_000n);
    expect(price({}, [rate('cpu', 1, { unit: 'SU' })]).method).toBe('asbb-compat');
    expect(price({}, [rate('cpu', 1, { cluster: 'beta' })]).method).toBe('asbb-compat');
    expect(price({}, [rate('cpu', 1)])).toMatchObject({ method: 'rates', estimated: 1_000_000n });
  });

  test('can be switched off: then nothing is priced until a rate is entered', () => {
    expect(price({}, [], clusterWith({ pricePreset: 'none' }))).toMatchObject({
      method: 'unpriced',
      refusal: { code: 'unpriced', detail: 'cluster alpha has no rate in USD; enter one.' },
    });
  });
});

describe('rates', () => {
  test('nodes, CPUs, memory by the GiB and GPUs add up', () => {
    const rates = [rate('node', 1), rate('cpu', 0.1), rate('mem', 0.01), rate('gpu', 2)];
    const asked = resources({ nodes: 2, cpus: 16, memoryMib: 65_536, gpus: 4 });
    expect(price({ resources: asked, wallSeconds: 7200 }, rates)).toMatchObject({
      estimated: 2n * (2_000_000n + 1_600_000n + 640_000n + 8_000_000n),
      method: 'rates',
      unbilled: [],
    });
  });

  test("a model's own rate stands before the generic one, which serves all others", () => {
    const rates = [rate('gpu', 1), rate('gpu:a100', 3)];
    const asked = (gpus: number, gpusByModel: Record<string, number>) =>
      price({ resources: resources({ gpus, gpusByModel }) }, rates).estimated;
    expect(asked(4, { a100: 4 })).toBe(12_000_000n);
    expect(asked(4, { v100: 4 })).toBe(4_000_000n);
    expect(asked(4, { a100: 1 })).toBe(3_000_000n + 3_000_000n);
    expect(asked(4, {})).toBe(4_000_000n);
  });

  test("a partition's rate stands before its cluster's, kind by kind", () => {
    const rates = [rate('cpu', 1), rate('node', 10), rate('cpu', 5, { partition: 'special' })];
    expect(price({ partition: 'special' }, rates).estimated).toBe(15_000_000n);
    expect(price({ partition: 'batch' }, rates).estimated).toBe(11_000_000n);
  });

  test("a partition's generic GPU rate stands before its cluster's rate for the model", () => {
    const rates = [rate('gpu:a100', 3), rate('gpu', 1), rate('gpu', 0.5, { partition: 'preempt' })];
    const a100 = resources({ gpus: 1, gpusByModel: { a100: 1 } });
    expect(price({ partition: 'preempt', resources: a100 }, rates).estimated).toBe(500_000n);
  });

  test("where a partition's rate has ended its cluster's applies again", () => {
    const rates = [rate('cpu', 1), rate('cpu', 5, { partition: 'special', endsAt: '2026-02-01T00:00:00Z' })];
    expect(price({ partition: 'special' }, rates).estimated).toBe(1_000_000n);
  });

  test('a rate that is going to change counts from the moment it changes', () => {
    const change = '2026-03-02T15:01:51Z';
    const rates = [rate('cpu', 1, { endsAt: change }), rate('cpu', 3, { startsAt: change })];
    const answer = price({}, rates);
    expect(answer.estimated).toBe(500_000n + 1_500_000n);
    expect(answer.lines.slice(0, 2)).toEqual(['1 cpu x 0.5 h x 1 USD', '1 cpu x 0.5 h x 3 USD']);
  });

  test('an end is exclusive, a start inclusive', () => {
    const rates = [rate('cpu', 1, { endsAt: AT }), rate('cpu', 3, { startsAt: AT })];
    expect(price({}, rates).estimated).toBe(3_000_000n);
  });

  test('the queue weight multiplies, zero makes it free', () => {
    const weighted = (queueWeight: string) =>
      price({}, [rate('cpu', 1)], clusterWith({ partitions: [{ name: 'batch', queueWeight }] })).estimated;
    expect(weighted('2.5')).toBe(2_500_000n);
    expect(weighted('0')).toBe(0n);
  });

  test('every task of an array counts', () => {
    expect(price({ arrayTasks: 10 }, [rate('cpu', 1)]).estimated).toBe(10_000_000n);
  });

  test('the minimum charge is for each run that costs anything; what is free stays free', () => {
    const cluster = clusterWith({ minimumCharge: toMicro(250_000n) });
    expect(price({ wallSeconds: 1 }, [rate('cpu', 1)], cluster).estimated).toBe(250_000n);
    expect(price({ wallSeconds: 1, arrayTasks: 3 }, [rate('cpu', 1)], cluster).estimated).toBe(750_000n);
    expect(price({ wallSeconds: 1 }, [rate('cpu', 0)], cluster).estimated).toBe(0n);
    expect(price({ wallSeconds: 3600 }, [rate('cpu', 1)], cluster).estimated).toBe(1_000_000n);
  });
});

describe('what has no price', () => {
  const refusalOf = (request: Parameters<typeof requestFor>[0], rates: DatedRate[]) => price(request, rates).refusal;
  const gpus = (gpusByModel: Record<string, number>, count = 1) => ({
    resources: resources({ gpus: count, gpusByModel }),
  });

  test('a kind that the cluster has never rated is unbilled, and the answer says so', () => {
    const answer = price({ resources: resources({ memoryMib: 1024 }) }, [rate('cpu', 1)]);
    expect(answer).toMatchObject({ estimated: 1_000_000n, unbilled: ['node', 'mem'] });
    expect(answer.refusal).toBeUndefined();
    expect(answer.lines).toContain('mem costs nothing: alpha has no rate for it');
  });

  test('a kind is unbilled until its first rate begins, so that a price can be announced', () => {
    const rates = [rate('cpu', 1), rate('mem', 1, { startsAt: '2026-03-02T15:01:51Z' })];
    const answer = price({ resources: resources({ memoryMib: 1024 }) }, rates);
    expect(answer.refusal).toBeUndefined();
    expect(answer.estimated).toBe(1_500_000n);
  });

  test('a GPU model with neither its own nor a generic rate is refused', () => {
    expect(refusalOf(gpus({ h100: 1 }), [rate('cpu', 1), rate('gpu:a100', 3)])).toEqual({
      code: 'unpriced',
      detail: 'gpu:h100 has no rate in USD in partition batch of alpha; enter one (0 where it is free).',
    });
    expect(refusalOf(gpus({}), [rate('cpu', 1), rate('gpu:a100', 3)])?.code).toBe('unpriced');
    expect(refusalOf(gpus({}), [rate('cpu', 1)])?.code).toBe('unpriced');
    expect(refusalOf(gpus({ h100: 1 }), [rate('cpu', 1), rate('gpu', 3)])).toBeUndefined();
  });

  test('a partition without any rate on a rated cluster is refused, whatever the job asks for', () => {
    const rates = [rate('gpu', 3, { partition: 'gpu' })];
    expect(refusalOf({ partition: 'batch' }, rates)?.detail).toBe(
      'partition batch of alpha has no rate in USD; enter one.',
    );
    expect(refusalOf({ partition: 'gpu' }, rates)).toBeUndefined();
  });

  test('a kind that other partitions pay for is not free here by omission', () => {
    const rates = [rate('cpu', 1, { partition: 'batch' }), rate('gpu', 3, { partition: 'gpu' })];
    expect(refusalOf({ partition: 'gpu' }, rates)?.detail).toContain('cpu has no rate');
    expect(refusalOf({ partition: 'gpu' }, [...rates, rate('cpu', 0, { partition: 'gpu' })])).toBeUndefined();
  });

  test('a gap between two rates is refused, also where the job would only run into it', () => {
    const gap = (endsAt: string) => [rate('cpu', 1, { endsAt }), rate('cpu', 2, { startsAt: '2026-05-01T00:00:00Z' })];
    expect(refusalOf({}, gap('2026-03-01T00:00:00Z'))?.detail).toContain('gap');
    expect(refusalOf({}, gap('2026-03-02T15:31:50Z'))?.detail).toContain('gap');
    expect(refusalOf({}, gap('2026-03-02T15:31:51Z'))).toBeUndefined();
    expect(refusalOf({}, [rate('cpu', 1, { endsAt: '2026-03-01T00:00:00Z' })])?.detail).toContain('gap');
  });

  test('a cluster that allows it holds for what has a price', () => {
    const answer = price(gpus({ h100: 1 }), [rate('cpu', 1)], clusterWith({ unpriced: 'allow' }));
    expect(answer).toMatchObject({ method: 'unpriced', confidence: 0, estimated: 1_000_000n, hold: 1_200_000n });
    expect(answer.refusal).toBeUndefined();
    expect(answer.lines.join('\n')).toContain('gpu:h100 has no rate');
  });
});

describe('time limits', () => {
  const cluster = clusterWith({
    partitions: [
      { name: 'long', queueWeight: '1', maxTimeSeconds: 7200, defaultTimeSeconds: 600 },
      { name: 'max', queueWeight: '1', maxTimeSeconds: 7200 },
    ],
  });
  const wallOf = (partition: string, text: string) =>
    price({ partition, ...readTimeLimit(text) }, [], cluster).wallSeconds;

  test('UNLIMITED is the longest time of the partition', () => expect(wallOf('long', 'UNLIMITED')).toBe(7200));
  test('no limit is the default of the partition, else its longest time', () => {
    expect(wallOf('long', '')).toBe(600);
    expect(wallOf('max', '')).toBe(7200);
  });
  test('what was asked for is taken as it is', () => expect(wallOf('max', '90')).toBe(5400));

  test.each(['UNLIMITED', ''])('%j where the partition has no longest time is refused with what to write', (text) => {
    const answer = price({ partition: 'batch', ...readTimeLimit(text) }, [], cluster);
    expect(answer).toMatchObject({ hold: 0n, estimated: 0n, refusal: { code: 'time_limit_missing' } });
    expect(answer.refusal?.detail).toContain('--time=04:00:00');
  });

  test('a missing time limit is named before a missing price', () => {
    const none = clusterWith({ pricePreset: 'none' });
    expect(price({ wallSeconds: undefined }, [], none).refusal?.code).toBe('time_limit_missing');
  });
});

describe('holds', () => {
  const third = [rate('cpu', 1)];

  test('are rounded up once, from the exact cost times the multiplier', () => {
    // One second: 1000000 / 3600 = 277.77..., x 1.2 = 333.33...
    expect(price({ wallSeconds: 1 }, third)).toMatchObject({ estimated: 278n, hold: 334n });
    expect(price({ wallSeconds: 3 }, third)).toMatchObject({ estimated: 833n, hold: 1000n });
  });

  test("take the account's multiplier where it has one", () => {
    expect(price({}, third, ALPHA, { holdMultiplier: '2' })).toMatchObject({ hold: 2_000_000n, holdMultiplier: '2' });
    expect(price({}, third, ALPHA, { holdMultiplier: '0.5' }).hold).toBe(500_000n);
  });

  test('stop at the cap', () => {
    const capped = clusterWith({ holdCap: toMicro(1_100_000n) });
    expect(price({}, third, capped)).toMatchObject({ estimated: 1_000_000n, hold: 1_100_000n });
    expect(price({ wallSeconds: 60 }, third, capped).hold).toBe(20_000n);
  });

  test('that no account could ever carry are refused as a mistake', () => {
    const huge = { resources: resources({ nodes: 10_000_000, cpus: 1_000_000_000 }), fromTres: false };
    expect(faultOf(() => price(huge, [])).message).toContain('ask for less');
  });

  test('ask the same whatever the order of the rates', () =>
    fc.assert(
      fc.property(
        fc.shuffledSubarray([rate('cpu', 1), rate('gpu', 2), rate('gpu:a100', 3), rate('node', 1)], { minLength: 4 }),
        (rates) => {
          const asked = { resources: resources({ gpus: 2, gpusByModel: { a100: 1 } }) };
          expect(price(asked, rates).estimated).toBe(7_000_000n);
        },
      ),
    ));

  test('priced at the new year itself use the rate that begins then', () => {
    expect(estimate(requestFor(), ALPHA, [rate('cpu', 1)], UNIT, NEW_YEAR).method).toBe('rates');
  });
});
