/** What a replay remembers of prices is what they are, also beside a change of rates. */
import fc from 'fast-check';
import type { JobRequest } from '../../domain/job';
import type { ClusterTerms } from '../../domain/meter';
import { ZERO, parseAmount } from '../../domain/money';
import { estimate } from '../../domain/price';
import type { DatedRate } from '../../domain/tariff';
import { instantOfSeconds } from '../../domain/time';
import { openEstimates } from '../../ledger/replay/estimates';

const HOUR = 3600;
const START = Date.UTC(2026, 0, 1) / 1000;

const CLUSTER: ClusterTerms = {
  name: 'big',
  unpriced: 'deny',
  pricePreset: 'asbb-compat',
  holdMultiplier: '1.2',
  minimumCharge: ZERO,
  partitions: [{ name: 'gpu', queueWeight: '1.5', maxTimeSeconds: 2 * HOUR }],
};

const rate = (resource: string, price: string, from: number, to: number | undefined): DatedRate => ({
  cluster: 'big',
  resource,
  unit: 'USD',
  rate: parseAmount(price),
  startsAt: instantOfSeconds(START + from * HOUR),
  endsAt: to === undefined ? null : instantOfSeconds(START + to * HOUR),
});

/** A preset at first, then a rate that changes, then a gap; another kind begins in between. */
const RATES = [
  rate('cpu', '0.1', 3, 6),
  rate('cpu', '0.2', 6, 9),
  rate('gpu', '2', 5, 10),
  rate('cpu', '0.3', 11, undefined),
];

test('an estimate that is remembered is the one that would be made, whatever was asked before', () => {
  const request = fc.record({
    partition: fc.constantFrom('gpu', 'cpu'),
    wallSeconds: fc.constantFrom(undefined, HOUR, HOUR + 1, 2 * HOUR),
    unlimited: fc.boolean(),
    arrayTasks: fc.constantFrom(1, 3),
    cpus: fc.constantFrom(1, 2),
    model: fc.constantFrom(undefined, 'a100', 'h100'),
    multiplier: fc.constantFrom(undefined, '1', '1.5'),
    unit: fc.constantFrom('USD', 'SU'),
    at: fc.integer({ min: 0, max: 24 }).map((halves) => START + halves * (HOUR / 2)),
  });
  const asked = fc.array(request, { minLength: 40, maxLength: 80 });
  fc.assert(
    fc.property(asked, (requests) => {
      const remembered = openEstimates();
      for (const { cpus, model, multiplier, unit, at, ...rest } of requests) {
        const gpusByModel = model === undefined ? {} : { [model]: 1 };
        const resources = { nodes: 1, cpus, gpus: model === undefined ? 0 : 1, gpusByModel, memoryMib: 0 };
        const job: JobRequest = { ...rest, resources, fromTres: true };
        const options = multiplier === undefined ? {} : { holdMultiplier: multiplier };
        const args = [job, CLUSTER, RATES, unit, instantOfSeconds(at), options] as const;
        expect(remembered(...args)).toEqual(estimate(...args));
      }
    }),
    { numRuns: 100 },
  );
});
