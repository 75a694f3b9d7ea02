/** Variance, accuracy, warnings and recommendations: one millionth on either side of every threshold. Contract §8.4. */
import { assess, DEFAULT_THRESHOLDS, feedbackOf, readAccuracy, type Performance } from '../../domain/asbx';
import { parseAmount } from '../../domain/money';

const of = (estimated: string | undefined, actual: string, performance: Performance = {}) =>
  assess(
    { actual: parseAmount(actual), ...(estimated !== undefined && { estimated: parseAmount(estimated) }) },
    performance,
  );

const ESTIMATES = 'Review the estimates of jobs like this one.';
const CPUS = 'Ask for fewer CPUs, or let the program use those it has.';
const MEMORY = 'Ask for less memory.';
const PRICES = 'Bring the prices up to date: the estimate was far from the cost.';
const BURST = 'Compare with the cost on local nodes before the next burst.';

test("the contract's own example", () => {
  expect(of('41.50', '37.25', { cpuEfficiency: 0.86, memoryEfficiency: 0.81, burstDecision: 'AWS' })).toEqual({
    estimated: parseAmount('41.5'),
    actual: parseAmount('37.25'),
    variance: parseAmount('-4.25'),
    variancePctHundredths: -1024n,
    accuracyThousandths: 898n,
    warnings: [],
    recommendations: [],
  });
});

test.each([
  ['100', '150', []],
  ['100', '150.000001', ['The cost is above the estimate by more than 50 %.']],
  ['100', '50', []],
  ['100', '49.999999', ['The cost is below the estimate by more than 50 %.']],
  ['0', '5', []],
  [undefined, '5', []],
])('estimated at %s and costing %s warns of %j', (estimated, actual, warnings) => {
  expect(of(estimated, actual).warnings).toEqual(warnings);
});

test.each([
  ['COMPLETED', []],
  ['TIMEOUT', []],
  ['FAILED', ['The job ended as FAILED.']],
  ['CANCELLED', ['The job ended as CANCELLED.']],
] as const)('a job that ended as %s warns of %j', (endState, warnings) => {
  expect(of('1', '1', { endState }).warnings).toEqual(warnings);
});

test.each([
  // 20 % off is not beyond it, and an accuracy of 0.8 is not below it: the two meet.
  ['100', '120', {}, []],
  ['100', '80', {}, []],
  ['100', '120.000001', {}, [ESTIMATES, PRICES]],
  ['100', '79.999999', {}, [ESTIMATES, PRICES]],
  ['1', '1', { cpuEfficiency: 0.7, memoryEfficiency: 0.8 }, []],
  ['1', '1', { cpuEfficiency: 0.6999999 }, [CPUS]],
  ['1', '1', { memoryEfficiency: 0.7999999 }, [MEMORY]],
  ['1', '1', {}, []],
  ['100', '150', { burstDecision: 'AWS' }, [ESTIMATES, PRICES]],
  ['100', '150.000001', { burstDecision: 'AWS' }, [ESTIMATES, PRICES, BURST]],
  ['100', '150.000001', { burstDecision: 'LOCAL' }, [ESTIMATES, PRICES]],
  [undefined, '1000', { burstDecision: 'AWS' }, []],
] as const)('estimated at %s, costing %s, with %j: %j', (estimated, actual, performance, recommendations) => {
  expect(of(estimated, actual, performance).recommendations).toEqual(recommendations);
});

test.each([
  ['100', '100', 1000n],
  ['100', '200', 0n],
  ['100', '300', 0n],
  ['100', '0', 0n],
  // An estimate of nothing counts as a hundredth.
  ['0', '0.005', 500n],
  ['0', '0.01', 0n],
  ['0.01', '0.005', 500n],
  // Half to even.
  ['1000', '1000.5', 1000n],
  ['1000', '1001.5', 998n],
])('estimated at %s and costing %s is %s thousandths accurate', (estimated, actual, thousandths) => {
  expect(of(estimated, actual).accuracyThousandths).toBe(thousandths);
});

test('the thresholds are the site’s', () => {
  const strict = { accuracy: readAccuracy('0.95'), variance: parseAmount('5') };
  const figures = { estimated: parseAmount('100'), actual: parseAmount('106') };
  expect(assess(figures, {}, DEFAULT_THRESHOLDS).recommendations).toEqual([]);
  expect(assess(figures, {}, strict).recommendations).toEqual([ESTIMATES, PRICES]);
  expect(() => readAccuracy('1.1')).toThrow('between 0 and 1');
});

test('the feedback keeps what was reported and makes nothing up', () => {
  const assessment = of('41.50', '37.25', { cpuEfficiency: 0.6 });
  expect(feedbackOf({ jobId: '1', account: 'a' }, assessment, { cpuEfficiency: 0.6 })).toEqual({
    job_id: '1',
    account: 'a',
    cpu_efficiency: 0.6,
    compute_intensive: false,
    memory_intensive: false,
    actual_vs_estimated_ratio: 0.898,
    optimization_opportunities: [CPUS],
  });
  expect(feedbackOf({ jobId: '1' }, of(undefined, '1'), {})).not.toHaveProperty('actual_vs_estimated_ratio');
});
