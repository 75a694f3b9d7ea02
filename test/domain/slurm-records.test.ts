/** What the hooks of a controller tell: which record is an end, which a requeue, and whose run it was. */
import { readLoneChange, readLoneDecision } from '../../domain/slurm-alone';
import { readCompletion, readEpilog, readProlog } from '../../domain/slurm-records';
import { faultOf } from './only-faults';

const KEY = '0123456789abcdef0123456789abcdef';
const NO_VAL = 4_294_967_294;
const REQUEUE = 0x400;
const COMPLETING = 0x8000;
const REVOKED = 0x80000;

const record = {
  job_id: 100,
  array_job_id: 0,
  array_task_id: NO_VAL,
  job_state: 3 + COMPLETING,
  submit_time: 1_772_460_000,
  start_time: 1_772_460_010,
  end_time: 1_772_460_070,
  tres_fmt_alloc_str: 'cpu=2,mem=1000M,node=2,billing=82,gres/gpu:a100=4',
  admin_comment: `checked bursar:${KEY}`,
  account: 'proj-a',
  partition: 'gpu-aws',
  user_name: 'alice',
  nodes: 'g[1-2]',
  exit_code: 0,
  time_limit: 10,
  job_name: 'train',
  restart_cnt: 0,
};

test('a completed run names its hold, its times and what it had', () =>
  expect(readCompletion(record)).toMatchObject({
    type: 'ended',
    jobId: '100',
    at: '2026-03-02T14:01:10Z',
    startedAt: '2026-03-02T14:00:10Z',
    submittedAt: '2026-03-02T14:00:00Z',
    holdKey: KEY,
    account: 'proj-a',
    user: 'alice',
    endState: 'COMPLETED',
    exitCode: 0,
    timeLimitSeconds: 600,
    resources: { nodes: 2, cpus: 2, gpus: 4, gpusByModel: { a100: 4 }, memoryMib: 1000 },
  }));

test.each([
  ['a run that was killed', { job_state: 4 + COMPLETING }, 'ended', 'CANCELLED'],
  ['a time-out', { job_state: 6 }, 'ended', 'TIMEOUT'],
  ['a requeue', { job_state: REQUEUE + COMPLETING }, 'requeued', undefined],
  ['a requeue of a run that had failed', { job_state: 5 + REQUEUE }, 'requeued', 'FAILED'],
  ['a preemption that runs again', { job_state: 8 + REQUEUE }, 'preempted', 'PREEMPTED'],
  ['a preemption that does not', { job_state: 8 }, 'ended', 'PREEMPTED'],
  ['a node failure, final or not', { job_state: 7 }, 'node_failed', 'NODE_FAIL'],
  ['a node failure that is requeued', { job_state: 7 + REQUEUE + COMPLETING }, 'node_failed', 'NODE_FAIL'],
  ['a boot failure', { job_state: 9 + REQUEUE }, 'requeued', 'BOOT_FAIL'],
  ['a job of a federation that a sibling runs', { job_state: 4 + REVOKED }, 'cancelled', 'CANCELLED'],
  ['a state in words', { job_state: 'OUT_OF_MEMORY' }, 'ended', 'OUT_OF_MEMORY'],
])('%s', (_what, more, type, endState) => {
  const event = readCompletion({ ...record, ...more });
  expect([event.type, event.endState]).toEqual([type, endState]);
});

test('a job that never got a node never ran, whatever start it has', () => {
  const waiting = { ...record, job_state: 4, nodes: '(null)', tres_fmt_alloc_str: '', start_time: record.end_time };
  const cancelled = readCompletion(waiting);
  expect(cancelled.type).toBe('cancelled');
  expect(cancelled).not.toHaveProperty('startedAt');
  expect(readCompletion({ ...waiting, job_state: 5 })).toMatchObject({ type: 'cancelled', endState: 'FAILED' });
});

test('an array task goes by its array, and a record of the rest of an array is about those that wait', () => {
  expect(readCompletion({ ...record, job_id: 104, array_job_id: 100, array_task_id: 0 })).toMatchObject({
    jobId: '100',
    task: '0',
  });
  const rest = { ...record, array_job_id: 100, array_task_cnt: 7, job_state: 4, nodes: '', tres_fmt_alloc_str: '' };
  expect(readCompletion(rest)).toMatchObject({ type: 'cancelled', jobId: '100', onlyWaiting: true });
});

test('a component of a heterogeneous job goes by its own id, under which its hold is', () =>
  expect(readCompletion({ ...record, job_id: 101, het_job_id: 100, het_job_offset: 1 })).toMatchObject({
    jobId: '101',
  }));

test('a job id that looks like an unset count of 16 bits is a job id', () =>
  expect(readCompletion({ ...record, job_id: 65_534 })).toMatchObject({ jobId: '65534' }));

test.each([
  [256, 1],
  [9, 137],
  ['0:15', 143],
  ['2:0', 2],
  [0, 0],
])('exit status %s is exit code %i', (exit_code, exitCode) =>
  expect(readCompletion({ ...record, exit_code })).toMatchObject({ exitCode }),
);

test('TRES by number are understood where every site numbers them alike', () => {
  const numbered = { ...record, tres_fmt_alloc_str: undefined, tres_alloc_str: '1=4,2=2000,4=2,5=8' };
  expect(readCompletion(numbered).resources).toMatchObject({ cpus: 4, nodes: 2, memoryMib: 2000 });
  expect(readCompletion({ ...numbered, tres_alloc_str: '1=4,1001=2' })).not.toHaveProperty('resources');
});

test('a record that cannot be understood says which field and why', () => {
  expect(faultOf(() => readCompletion({ ...record, job_state: 1 })).message).toMatch(/RUNNING has not completed/);
  expect(faultOf(() => readCompletion({ ...record, job_id: undefined })).message).toMatch(/^job_id: /);
  expect(faultOf(() => readCompletion({ ...record, end_time: 0 })).message).toMatch(/^end_time: /);
  expect(faultOf(() => readProlog({ at: 1 })).message).toMatch(/^env: /);
  expect(faultOf(() => readLoneDecision({ key: 'short', at: 1 })).message).toMatch(/^key: /);
  const change = { key: KEY, at: 1, outcome: 'open', job: {} };
  expect(faultOf(() => readLoneChange(change)).message).toMatch(/^job_id: /);
  expect(faultOf(() => readLoneChange({ ...change, job_id: 7 })).message).toMatch(/^changes: /);
});

describe('controller scripts', () => {
  const env = { SLURM_JOB_ID: '104', SLURM_ARRAY_JOB_ID: '100', SLURM_ARRAY_TASK_ID: '4', SLURM_JOB_USER: 'bob' };

  test('a prolog is a start, and names no account', () => {
    const event = readProlog({ env: { ...env, SLURM_JOB_ACCOUNT: 'proj-a' }, at: 1_772_460_000 });
    expect(event).toMatchObject({ type: 'started', jobId: '100', task: '4', user: 'bob' });
    expect(event).not.toHaveProperty('account');
  });

  test.each([
    ['a first run that was the last', 0, undefined, 'ended'],
    ['a first run', 0, 0, 'ended'],
    ['a first run that was requeued', 1, 0, 'requeued'],
    ['a second run', 1, 1, 'ended'],
    ['nobody knows with what it began', 1, undefined, undefined],
  ])('an epilog after %s', (_what, count, startedWith, type) => {
    const epilog = readEpilog({ env: { ...env, SLURM_RESTART_COUNT: String(count) }, at: 1_772_460_000 });
    expect(epilog.read(startedWith)?.type).toBe(type);
  });
});
