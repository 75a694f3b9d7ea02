/** What an update leaves unset stays; what it says is said in one spelling only. */
import { mergeChanges } from '../../domain/slurm-changes';
import { readSubmission } from '../../domain/slurm-submission';

const JOB = { account: 'a', partition: 'cpu', time_limit: 60, min_nodes: 2, max_nodes: 2, min_mem_per_cpu: 500 };
const changed = (changes: object) => readSubmission(mergeChanges(JOB, { ...changes }));

test('NO_VAL, nil and empty text change nothing; INFINITE does', () => {
  const same = readSubmission(JOB);
  expect(changed({ time_limit: 4_294_967_294, account: '', partition: null, min_nodes: 4_294_967_294 })).toEqual(same);
  expect(changed({ time_limit: 4_294_967_295 }).job).toMatchObject({ unlimited: true });
});

test('a number of nodes is both ends of their range', () => {
  expect(changed({ min_nodes: 4 }).job.resources.nodes).toBe(4);
  expect(changed({ min_nodes: 1 }).job.resources.nodes).toBe(1);
  expect(changed({ min_nodes: 1, max_nodes: 8 }).job.resources.nodes).toBe(8);
});

test('memory by node takes the place of memory by CPU, and one list of GPUs that of its other name', () => {
  expect(changed({ min_mem_per_node: 100 }).job.resources.memoryMib).toBe(200);
  const gpus = { ...JOB, tres_per_node: 'gres:gpu:1', gres: 'gres:gpu:1' };
  expect(readSubmission(mergeChanges(gpus, { gres: 'gres:gpu:4' })).job.resources.gpus).toBe(8);
});

test('an account stays where only a default one is named', () =>
  expect(changed({ default_account: 'b' }).account).toBe('a'));
