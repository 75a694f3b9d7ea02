/** Every way to ask Slurm for the same thing asks for the same thing. */
import fc from 'fast-check';
import { readSubmission } from '../../domain/slurm-submission';
import { readOrFault } from './only-faults';

const NO_VAL = 4_294_967_294;
const NO_VAL16 = 65_534;
const INFINITE = 4_294_967_295;

const resourcesOf = (raw: object) => readSubmission({ ...raw }).job.resources;

describe('counts', () => {
  test('a bare submission is one CPU on one node, and nothing that is unset counts', () => {
    const bare = { nodes: 1, cpus: 1, gpus: 0, gpusByModel: {}, memoryMib: 0 };
    expect(resourcesOf({})).toEqual(bare);
    const unset = { min_nodes: NO_VAL, max_nodes: 0, num_tasks: NO_VAL, cpus_per_task: NO_VAL16, min_cpus: NO_VAL };
    expect(resourcesOf({ ...unset, min_mem_per_node: '18446744073709551614' })).toEqual(bare);
  });

  test.each([
    [{ num_tasks: 8 }, 1, 8],
    [{ num_tasks: 8, cpus_per_task: 4 }, 1, 32],
    [{ min_nodes: 2, max_nodes: 2, num_tasks: 2 }, 2, 2],
    [{ min_nodes: 2, max_nodes: 4 }, 4, 4],
    [{ min_nodes: 2, ntasks_per_node: 8, cpus_per_task: 2 }, 2, 32],
    [{ min_nodes: '2', num_tasks: '16', min_cpus: 64 }, 2, 64],
    [{ min_nodes: 3, cpus_per_task: 5 }, 3, 15],
    [{ num_tasks: NO_VAL16 }, 1, NO_VAL16], // Tasks are counted in 32 bits.
    [{ tres_per_task: 'cpu:6', num_tasks: 2 }, 1, 12],
  ])('%j', (raw, nodes, cpus) => expect(resourcesOf(raw)).toMatchObject({ nodes, cpus }));
});

describe('GPUs', () => {
  test.each([
    [{ tres_per_job: 'gres:gpu:4' }, 4, {}],
    [{ tres_per_job: 'gres/gpu:a100:4' }, 4, { a100: 4 }],
    [{ tres_per_node: 'gres:gpu:2', min_nodes: 2 }, 4, {}],
    [{ gres: 'gpu:2', tres_per_node: 'gres:gpu:2', min_nodes: 2 }, 4, {}], // Lua shows one list by two names.
    [{ gres: 'gpu:a100:2', min_nodes: 3 }, 6, { a100: 6 }],
    [{ tres_per_socket: 'gres:gpu:1', sockets_per_node: 2, min_nodes: 2 }, 4, {}],
    [{ tres_per_task: 'gres:gpu:v100:1', num_tasks: 5 }, 5, { v100: 5 }],
    [{ tres_per_task: 'cpu:2,mem:4G,gres/gpu:1', num_tasks: 3 }, 3, {}],
    [{ tres_per_job: 'gres:gpu:8', tres_per_task: 'gres:gpu:a100:2' }, 8, { a100: 8 }],
    [{ tres_per_node: 'gres:gpu:a100:2,gres:gpu:v100:1', min_nodes: 2 }, 6, { a100: 4, v100: 2 }],
    [{ tres_per_node: 'gres:gpu' }, 1, {}],
  ])('%j', (raw, gpus, gpusByModel) => expect(resourcesOf(raw)).toMatchObject({ gpus, gpusByModel }));

  test('GPUs of the job and of each node say how many nodes there are', () =>
    expect(resourcesOf({ tres_per_job: 'gres:gpu:8', tres_per_node: 'gres:gpu:4' })).toMatchObject({
      nodes: 2,
      gpus: 8,
    }));

  test('GPUs bring their CPUs and their memory', () =>
    expect(
      resourcesOf({ tres_per_job: 'gres:gpu:4', cpus_per_tres: 'gres:gpu:6', mem_per_tres: 'gres:gpu:1000' }),
    ).toMatchObject({ cpus: 24, memoryMib: 4000 }));

  test('what no rate can be for is named, not refused', () =>
    expect(readSubmission({ tres_per_node: 'gres:fpga:2,license/matlab:1' }).job.unbilledTres).toEqual([
      'gres/fpga',
      'license/matlab',
    ]));
});

describe('memory', () => {
  test.each([
    [{ min_mem_per_node: 8000, min_nodes: 2 }, 16_000],
    [{ min_mem_per_cpu: 500, num_tasks: 8 }, 4000],
    [{ min_mem_per_cpu: '9223372036854776308', num_tasks: 8 }, 4000], // With the flag still on it.
    [{ pn_min_memory: '2147484148', num_tasks: 2 }, 1000],
    [{ tres_per_task: 'mem:2G', num_tasks: 3 }, 6144],
  ])('%j', (raw, memoryMib) => expect(resourcesOf(raw).memoryMib).toBe(memoryMib));
});

describe('time, arrays, names', () => {
  test.each([
    [60, 3600, false],
    ['60', 3600, false],
    ['1-00:00:00', 86_400, false],
    [NO_VAL, undefined, false],
    [undefined, undefined, false],
    [INFINITE, undefined, true],
    [0, undefined, true],
  ])('a limit of %s', (time_limit, wallSeconds, unlimited) =>
    expect(readSubmission({ time_limit }).job).toMatchObject({ wallSeconds, unlimited }),
  );

  test('an array is all of its tasks', () => expect(readSubmission({ array: '1-1000%5' }).job.arrayTasks).toBe(1000));

  test("an account that is named stands before the user's default one", () => {
    expect(readSubmission({ account: 'b', default_account: 'a' }).account).toBe('b');
    expect(readSubmission({ default_account: 'a' }).account).toBe('a');
    expect(readSubmission({ account: '' })).not.toHaveProperty('account');
  });

  test('several partitions keep their order', () =>
    expect(readSubmission({ partition: 'gpu, cpu' }).partitions).toEqual(['gpu', 'cpu']));

  test('a list of tasks that is none is refused with the name of the fact', () =>
    expect(() => readSubmission({ array: 'all' })).toThrow(/^array: /));
});

test('whatever a hook sends is understood or refused with a reason, and asks for no less than one CPU of one node', () =>
  fc.assert(
    fc.property(
      fc.dictionary(
        fc.constantFrom(
          'min_nodes',
          'max_nodes',
          'num_tasks',
          'cpus_per_task',
          'tres_per_node',
          'gres',
          'array',
          'partition',
          'account',
          'time_limit',
          'min_mem_per_cpu',
        ),
        fc.oneof(
          fc.integer(),
          fc.string(),
          fc.boolean(),
          fc.constant(null),
          fc.constantFrom(NO_VAL, INFINITE, NO_VAL16),
        ),
      ),
      (raw) => {
        const read = readOrFault(() => readSubmission(raw), '');
        if (read === undefined) return;
        expect(read.job.resources.nodes).toBeGreaterThanOrEqual(1);
        expect(read.job.resources.cpus).toBeGreaterThanOrEqual(read.job.resources.nodes);
      },
    ),
  ));
