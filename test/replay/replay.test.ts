/**
 * New workflow code tells old stories as they were told. The histories were recorded by test/replay/record.ts; each release
 * keeps its own, because stories that were begun by its code are told on by ours.
 */
import { DeterminismViolationError } from '@temporalio/workflow';
import { Worker, type WorkflowBundle } from '@temporalio/worker';
import { bundleWorkflows } from '../../worker/bundle';
import { quietRuntime } from '../workflows/house';
import { LIVES } from '../workflows/lives';
import { recordedHistories } from './histories';

let workflowBundle: Pick<WorkflowBundle, 'code'>;
beforeAll(async () => {
  quietRuntime();
  workflowBundle = await bundleWorkflows();
});

const histories = recordedHistories();

test('every main path of a story has been kept', () => {
  const names = histories.map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(Object.keys(LIVES).map((life) => `job-lifecycle-${life}`)));
  expect(names).toEqual(
    expect.arrayContaining(['job-lifecycle-continued-1', 'job-lifecycle-continued-2', 'sweep', 'queue-look']),
  );
});

test.each(histories)('$name is told as it was told', async ({ history, workflowId }) => {
  await Worker.runReplayHistory({ workflowBundle }, history, workflowId);
});

test('a story that would be told differently is noticed', async () => {
  const [recorded] = histories.filter(({ name }) => name === 'job-lifecycle-ordinary');
  if (!recorded) throw new Error('it was not kept');
  const altered: unknown = JSON.parse(JSON.stringify(recorded.history).replaceAll('"advance"', '"retreat"'));
  await expect(Worker.runReplayHistory({ workflowBundle }, altered, recorded.workflowId)).rejects.toThrow(
    DeterminismViolationError,
  );
});
