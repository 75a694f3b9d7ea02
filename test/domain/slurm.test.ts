/** Slurm's grammars: every spelling that is documented or was seen, and advice for the rest. */
import fc from 'fast-check';
import { readArrayTasks, readJobId, readState } from '../../domain/slurm-job';
import {
  isUnsetCount,
  jobMemoryMib,
  readGres,
  readMemory,
  readResources,
  readTres,
} from '../../domain/slurm-resources';
import { readElapsed, readTimeLimit, renderDuration } from '../../domain/slurm-time';
import { faultOf, readOrFault, strangeText } from './only-faults';

describe('time limits', () => {
  test.each([
    ['90', 90 * 60],
    ['1', 60],
    ['2:30', 150],
    ['04:00:00', 4 * 3600],
    ['0:0:1', 1],
    ['100:00:00', 360_000],
    ['0:90:00', 5400],
    ['1-12', 36 * 3600],
    ['1-12:30', 36 * 3600 + 1800],
    ['1-12:00:00', 36 * 3600], // ASBB priced this as one hour.
    ['37-14:00:00', 37 * 86_400 + 14 * 3600],
    ['0-1', 3600],
    [' 90 ', 5400],
  ])('%s is %i seconds', (text, wallSeconds) => expect(readTimeLimit(text)).toEqual({ wallSeconds, unlimited: false }));

  test.each(['UNLIMITED', 'unlimited', 'INFINITE', 'infinite', '-1', '0', '00:00:00', '0-0'])(
    '%s asks for no limit',
    (text) => expect(readTimeLimit(text)).toEqual({ wallSeconds: undefined, unlimited: true }),
  );

  test.each(['', 'Partition_Limit', 'NOT_SET', 'N/A'])('%j leaves it to the partition', (text) =>
    expect(readTimeLimit(text)).toEqual({ wallSeconds: undefined, unlimited: false }),
  );

  test.each(['4h', '1.5', '1:2:3:4', '1-', '-5', '1-2-3', '1:', 'soon', '٣'])(
    '%j is refused with every form that would do',
    (text) => {
      const { message } = faultOf(() => readTimeLimit(text));
      for (const advice of ['90', '04:00:00', '1-12:00:00', 'UNLIMITED']) expect(message).toContain(advice);
    },
  );

  test('a number that is no time limit is refused instead of priced', () => {
    expect(faultOf(() => readTimeLimit('999999999999')).message).toContain('a hundred years');
  });

  test('what we write we read, to the second', () =>
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3_000_000_000 }), (seconds) => {
        expect(readTimeLimit(renderDuration(seconds)).wallSeconds).toBe(seconds);
        expect(readElapsed(renderDuration(seconds))).toBe(seconds);
      }),
    ));

  test('every grammar reads its own parts', () =>
    fc.assert(
      fc.property(fc.nat(400), fc.nat(200), fc.nat(200), fc.nat(200), (d, h, m, s) => {
        const day = d * 86_400;
        const limit = (text: string) => readTimeLimit(text).wallSeconds ?? 0;
        expect(limit(`${h}`)).toBe(h * 60);
        expect(limit(`${m}:${s}`)).toBe(m * 60 + s);
        expect(limit(`${h}:${m}:${s}`)).toBe(h * 3600 + m * 60 + s);
        expect(limit(`${d}-${h}`)).toBe(day + h * 3600);
        expect(limit(`${d}-${h}:${m}`)).toBe(day + h * 3600 + m * 60);
        expect(limit(`${d}-${h}:${m}:${s}`)).toBe(day + h * 3600 + m * 60 + s);
      }),
    ));

  test('elapsed time zero is zero, not unlimited', () => {
    expect(readElapsed('00:00:00')).toBe(0);
    expect(readElapsed('10-13:27:06')).toBe(10 * 86_400 + 13 * 3600 + 27 * 60 + 6);
    expect(readElapsed('02:03.456')).toBe(123);
  });
});

describe('memory', () => {
  test.each([
    ['64G', 65_536, 'job'],
    ['64GB', 65_536, 'job'],
    ['64GiB', 65_536, 'job'],
    ['4096MB', 4096, 'job'],
    ['4096', 4096, 'job'],
    ['62.50G', 64_000, 'job'],
    ['1T', 1_048_576, 'job'],
    ['1024K', 1, 'job'],
    ['512K', 0.5, 'job'],
    ['8000Mn', 8000, 'node'],
    ['31000Mn', 31_000, 'node'],
    ['500Mc', 500, 'cpu'],
    ['4Gc', 4096, 'cpu'],
    ['0n', 0, 'node'],
    ['2147486648Mn', 3000, 'cpu'], // The phillips log: bit 31 says per CPU.
    ['9223372036854778808MB', 3000, 'cpu'], // Bit 63, as today's Slurm has it ...
    ['-9223372036854772808MB', 3000, 'cpu'], // ... and printed with a sign.
    ['4294967294MB', 0, 'job'], // NO_VAL
    ['18446744073709551614MB', 0, 'job'], // NO_VAL64
    ['18446744073709551615', 0, 'job'], // INFINITE64
  ])('%s is %d MiB for each %s', (text, mib, per) => expect(readMemory(text)).toEqual({ mib, per }));

  test.each(['', 'lots', '64X', '64 gigs', '-64G', '1e3M', 'NaN', '100B', '9'.repeat(30), '99999E'])(
    '%j is refused with examples',
    (text) => expect(faultOf(() => readMemory(text)).message).toContain('64G'),
  );

  test('of the whole job: per node by nodes, per CPU by CPUs', () => {
    const of = { nodes: 8, cpus: 64 };
    expect(jobMemoryMib(readMemory('8000Mn'), of)).toBe(64_000);
    expect(jobMemoryMib(readMemory('500Mc'), of)).toBe(32_000);
    expect(jobMemoryMib(readMemory('64G'), of)).toBe(65_536);
  });
});

describe('TRES and GRES', () => {
  test('allocated TRES are read, and what nobody bills is named', () => {
    const text = 'billing=12,cpu=12,gres/gpu=2,mem=31000M,node=1,energy=4,license/x=1,fs/disk=9,pages=0,gres/mps:a=3';
    expect(readTres(text)).toEqual({
      cpus: 12,
      gpus: 2,
      gpusByModel: {},
      memoryMib: 31_000,
      nodes: 1,
      unbilled: ['billing', 'energy', 'license/x', 'fs/disk', 'gres/mps:a'],
    });
  });

  test.each([
    'cpu=4,cpu=8',
    'CPU=4,cpu=4',
    'mem=1G,mem=1G',
    'gres/gpu=1,gpu=2',
    'gpu:a100=1,gres/gpu:A100=1',
    'license/x=1,license/x=2',
  ])('%j says one thing twice and is refused', (text) =>
    expect(faultOf(() => readTres(text)).message).toMatch(/ twice; say it once$/),
  );

  test.each([
    ['gpuu=4', 'gpu'],
    ['cpus=4', 'cpu'],
    ['memory=4G', 'mem'],
    ['billing1=4', 'billing'],
    ['gres/=1', 'gres/gpu'],
    ['license=1', 'license/name'],
    ['licence/matlab=1', 'license/matlab'],
    ['gre/gpu=4', 'gres/gpu'],
  ])('%j is no TRES, and the nearest is said', (text, nearest) =>
    expect(faultOf(() => readTres(text)).message).toContain(`did you mean "${nearest}"?`),
  );

  test('GPUs of a model are part of the total where both stand', () => {
    expect(readTres('gres/gpu=4,gres/gpu:a100=4')).toMatchObject({ gpus: 4, gpusByModel: { a100: 4 } });
    expect(readTres('gres/gpu=6,gres/gpu:a100=4')).toMatchObject({ gpus: 6, gpusByModel: { a100: 4 } });
    expect(readTres('gres/gpu:a100=4,gres/gpu:H100=2')).toMatchObject({ gpus: 6, gpusByModel: { a100: 4, h100: 2 } });
  });

  test.each(['', '(null)', 'N/A'])('%j says nothing', (text) => expect(readTres(text)).toEqual({ gpusByModel: {} }));

  test.each([
    'cpu',
    'cpu=',
    '=8',
    'cpu=eight',
    'cpu=-1',
    'cpu=1.5',
    'cpu=8,,node=1',
    'mem=lots',
    'gres/gpu:=1',
    'cpu=99999999999',
  ])('%j is refused', (text) => void faultOf(() => readTres(text)));

  test.each([
    ['gpu:4', 4, {}],
    ['gpu', 1, {}],
    ['gpu=2', 2, {}],
    ['gres:gpu:2', 2, {}],
    ['gres/gpu=3', 3, {}],
    ['gpu:a100:4', 4, { a100: 4 }],
    ['gpu:A100', 1, { a100: 1 }],
    ['gres/gpu:a100=4', 4, { a100: 4 }],
    ['gpu:a100:4(S:0-1)', 4, { a100: 4 }],
    ['gpu:a100:2(IDX:0,3),gpu:v100:1(IDX:2)', 3, { a100: 2, v100: 1 }],
    ['gpu:a100:no_consume:2', 2, { a100: 2 }],
    ['gpu:1g.5gb:7', 7, { '1g.5gb': 7 }],
    ['gpu:2,gpu:a100:1', 3, { a100: 1 }],
  ])('%s is %i GPUs', (text, gpus, gpusByModel) => expect(readGres(text)).toEqual({ gpus, gpusByModel }));

  test.each(['(null)', ''])('%j has no GPUs', (text) => expect(readGres(text)).toEqual({ gpusByModel: {} }));

  test('GRES other than GPUs are named as unbilled', () => {
    expect(readGres('craynetwork:1,gpu:1')).toEqual({ gpus: 1, gpusByModel: {}, unbilled: ['gres/craynetwork'] });
    expect(readGres('mps:100')).toEqual({ gpusByModel: {}, unbilled: ['gres/mps'] });
    expect(readResources({ tres: 'cpu=1,license/x=2', gres: 'mps:100' }).unbilledTres).toEqual([
      'license/x',
      'gres/mps',
    ]);
  });

  test.each(['gpu:', ':4', 'gpu:a100:4x,', 'gpu 4', 'gpu:99999999999'])(
    '%j is refused',
    (text) => void faultOf(() => readGres(text)),
  );

  test('TRES win over the single fields, which fill what they leave open', () => {
    const asked = { nodes: 3, cpus: 5, gpus: 1, memory: '500Mc', gres: 'gpu:v100:2' };
    expect(readResources(asked)).toEqual({
      resources: { nodes: 3, cpus: 5, gpus: 2, gpusByModel: { v100: 2 }, memoryMib: 2500 },
      fromTres: false,
    });
    expect(readResources({ ...asked, tres: 'cpu=8,gres/gpu:a100=4' })).toEqual({
      resources: { nodes: 3, cpus: 8, gpus: 4, gpusByModel: { a100: 4 }, memoryMib: 4000 },
      fromTres: true,
    });
  });

  test('what the submit plugin leaves unset is one node, one CPU and no GPU', () => {
    expect(readResources({ nodes: -2, cpus: 4_294_967_294, gpus: -1 }).resources).toEqual({
      nodes: 1,
      cpus: 1,
      gpus: 0,
      gpusByModel: {},
      memoryMib: 0,
    });
    expect([0, -1, 4_294_967_290, 4_294_967_295, 1e300].map(isUnsetCount)).toEqual([true, true, true, true, true]);
    expect([1, 4_294_967_289].map(isUnsetCount)).toEqual([false, false]);
  });
});

describe('states', () => {
  test.each([
    ['COMPLETED', { phase: 'ended', endState: 'COMPLETED' }],
    ['CANCELLED by 380693', { phase: 'ended', endState: 'CANCELLED', cancelledBy: '380693' }],
    ['CANCELLED+', { phase: 'ended', endState: 'CANCELLED' }],
    ['OUT_OF_ME+', { phase: 'ended', endState: 'OUT_OF_MEMORY' }],
    ['timeout', { phase: 'ended', endState: 'TIMEOUT' }],
    ['CD', { phase: 'ended', endState: 'COMPLETED' }],
    ['0', { phase: 'ended', endState: 'COMPLETED' }],
    ['137', { phase: 'ended', endState: 'FAILED' }],
    ['REVOKED', { phase: 'ended', endState: 'CANCELLED' }],
    ['RUNNING', { phase: 'running' }],
    ['PENDING', { phase: 'pending' }],
    ['SUSPENDED', { phase: 'suspended' }],
    ['REQUEUED', { phase: 'requeued' }],
  ])('%s', (text, state) => expect(readState(text)).toEqual(state));

  test.each(['', 'DONE', 'COMPLET+', 'constructor', '__proto__', '1:0'])('%j is no state', (text) =>
    expect(faultOf(() => readState(text)).message).toContain('COMPLETED'),
  );
});

describe('job ids', () => {
  test.each([
    ['123', { jobId: '123', task: '' }],
    ['123_4', { jobId: '123', task: '4' }],
    ['123_[1-10%2]', { jobId: '123', task: '', arrayTasks: 10 }],
    ['123_[1,3,5-7]', { jobId: '123', task: '', arrayTasks: 5 }],
    ['123+1', { jobId: '123', task: '+1' }],
    ['123.batch', { jobId: '123', task: '', step: 'batch' }],
    ['123_4.0', { jobId: '123', task: '4', step: '0' }],
  ])('%s', (text, id) => expect(readJobId(text)).toEqual(id));

  test.each(['', 'job', '123_', '123_[]', '123_[9-1]', '12 3', '-1'])(
    '%j is no job id',
    (text) => void faultOf(() => readJobId(text)),
  );

  test.each([
    ['0-15', 16],
    ['0-15:4', 4],
    ['0-15:4%2', 4],
    ['1,3,5-7', 5],
    ['1-5,3-7', 7],
    ['0-4000000', 4_000_001],
  ])('the array %s has %i tasks', (text, tasks) => expect(readArrayTasks(text)).toBe(tasks));

  test.each(['', '0-4000001', '5-1', '1-10:0', 'a', '1,,2'])(
    'the array %j is refused',
    (text) => void faultOf(() => readArrayTasks(text)),
  );
});

test('whatever the text, every parser answers with a value or a fault', () => {
  const parsers = [readTimeLimit, readElapsed, readMemory, readTres, readGres, readState, readJobId, readArrayTasks];
  fc.assert(
    fc.property(strangeText('0123456789-:=,./_[]()%+xMGTnckgpuresmodbatcUNLIMITED '), (text) => {
      for (const parser of parsers) readOrFault<unknown>(parser, text);
    }),
    { numRuns: 2000 },
  );
});
