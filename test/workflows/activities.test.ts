/** The doors to the outside, without a Temporal: how faults travel, and what a scheduler's silence means. */
import { ApplicationFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { faultsBecomeFailures, schedulerActivities, sealBacklog, type SchedulerAdapter } from '../../activities';
import { Fault, FAULTS, isFaultCode } from '../../domain/faults';
import type { JobEvent, Jobs } from '../../ledger/contract';
import { inSeconds } from './site';

const environment = () =>
  new MockActivityEnvironment({}, { interceptors: [faultsBecomeFailures], logger: new DefaultLogger('ERROR') });

test.each(Object.keys(FAULTS))(
  'the fault %s fails its activity by its code, for good where no retry can help',
  async (code) => {
    if (!isFaultCode(code)) throw new Error(code);
    const fails = () =>
      Promise.reject(new Fault(code, 'the whole sentence', { facts: { short_by: '1.5' }, cause: 'secret' }));
    const failure: unknown = await environment()
      .run(fails)
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ApplicationFailure);
    expect(failure).toMatchObject({
      type: code,
      message: 'the whole sentence',
      details: [{ short_by: '1.5' }],
      nonRetryable: FAULTS[code].retry === 'never',
    });
    expect(failure).not.toHaveProperty('cause', 'secret');
  },
);

test('what is no fault is left to Temporal, which tries again', async () => {
  const error = new TypeError('a mistake of ours');
  await expect(environment().run(() => Promise.reject(error))).rejects.toBe(error);
});

const ended: JobEvent = { type: 'ended', cluster: 'beagle', jobId: '7', at: inSeconds(0), endState: 'COMPLETED' };
const job = { holdId: 'txn_01', cluster: 'beagle', jobId: '7' };

/** A ledger that writes down what it is told. */
function listeningJobs() {
  const told: JobEvent[] = [];
  const jobs: Pick<Jobs, 'recordEvents'> = {
    recordEvents: (events) => {
      told.push(...events);
      return Promise.resolve([]);
    },
  };
  return { told, jobs };
}

const findOut = (jobs: Pick<Jobs, 'recordEvents'>, adapter: SchedulerAdapter | undefined) =>
  environment().run(schedulerActivities({ jobs, adapterOf: () => adapter }).findOut, job);

test('a cluster without an adapter has nobody to ask', async () => {
  const { jobs, told } = listeningJobs();
  expect(await findOut(jobs, undefined)).toBe('absent');
  expect(told).toEqual([]);
});

test('a scheduler that cannot be reached is an answer, not a failure', async () => {
  const { jobs, told } = listeningJobs();
  expect(await findOut(jobs, { whatBecameOf: () => Promise.reject(new Error('no route to host')) })).toBe(
    'unreachable',
  );
  expect(told).toEqual([]);
});

test('what a scheduler says is recorded like any other event, and that it said nothing is known too', async () => {
  const { jobs, told } = listeningJobs();
  expect(await findOut(jobs, { whatBecameOf: () => Promise.resolve([ended]) })).toBe('asked');
  expect(told).toEqual([ended]);
  expect(await findOut(jobs, { whatBecameOf: () => Promise.resolve([]) })).toBe('asked');
  expect(told).toHaveLength(1);
});

test('a ledger that cannot record the answer fails the asking, so that it is asked again', async () => {
  const jobs = { recordEvents: () => Promise.reject(new Fault('ledger_unavailable', 'away')) };
  const failure: unknown = await findOut(jobs, { whatBecameOf: () => Promise.resolve([ended]) }).catch(
    (error: unknown) => error,
  );
  expect(failure).toMatchObject({ type: 'ledger_unavailable', nonRetryable: false });
});

test('sealing goes on while there is something to seal, and stops at the end of the backlog', async () => {
  const rounds = [2_000, 2_000, 17, 2_000];
  expect(await sealBacklog({ seal: () => Promise.resolve(rounds.shift() ?? 0) })).toBe(4_017);
});
