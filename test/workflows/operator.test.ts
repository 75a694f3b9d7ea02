/** What an operator sees of the stories in Temporal's UI and finds with its search. */
import { BUDGET_DUE, BUDGET_JOB, BUDGET_STATE } from '../../workflows/contracts/job-lifecycle';
import { quietRuntime, until } from './house';
import { openStage, REPORTING, type Stage } from './lives';
import { ACCOUNT, CLUSTER, inSeconds, type HeldJob } from './site';

let stage: Stage;
beforeAll(async () => {
  quietRuntime();
  stage = await openStage();
});
afterAll(() => stage[Symbol.asyncDispose]());

const handleOf = ({ workflowId }: HeldJob) => stage.namespace.temporal.client.workflow.getHandle(workflowId);

async function found(query: string): Promise<string[]> {
  const ids: string[] = [];
  for await (const { workflowId } of stage.namespace.temporal.client.workflow.list({ query })) ids.push(workflowId);
  return ids;
}

test('all jobs of an account that wait for their cost are one search away', async () => {
  await stage.addCluster(REPORTING, { reconciliationTimeoutSeconds: 600, costSource: 'reported' });
  const [waiting, running] = [await stage.submit({ cluster: REPORTING }), await stage.submit({ cluster: REPORTING })];
  for (const [jobId, { holdId }] of [
    ['71', waiting],
    ['72', running],
  ] as const) {
    await stage.tell({ type: 'started', jobId, cluster: REPORTING, holdId, at: inSeconds(-60) });
  }
  await stage.tell({ type: 'ended', jobId: '71', cluster: REPORTING, at: inSeconds(0), endState: 'COMPLETED' });
  const query = `BudgetAccount = '${ACCOUNT}' and BudgetState = 'awaiting_cost'`;
  await until('the search finds the job', async () => (await found(query)).length > 0);
  expect(await found(query)).toEqual([waiting.workflowId]);
});

test("a story is found by the scheduler's id as soon as an event has named it", async () => {
  const job = await stage.submit();
  await stage.tell({ type: 'started', jobId: '4711', holdId: job.holdId });
  await until('the search finds the job', async () => (await found(`BudgetJob = '${CLUSTER}/4711'`)).length > 0);
  expect(await found(`BudgetJob = '${CLUSTER}/4711'`)).toEqual([job.workflowId]);
});

test('a story says whose it is, what it waits for, and until when', async () => {
  const job = await stage.submit();
  await stage.standsAt(job, 'pending');
  const { staticSummary, staticDetails } = await handleOf(job).describe();
  expect(await staticSummary()).toMatch(/^astro: [\d.]+ USD held on beagle$/);
  expect(await staticDetails()).toContain(job.holdId);

  await stage.tell({ type: 'started', jobId: '4712', holdId: job.holdId });
  await stage.standsAt(job, 'running');
  const { definition, currentDetails } = await handleOf(job).query<{
    definition: { type: string; signalDefinitions: { name: string; description: string }[] };
    currentDetails: string;
  }>('__temporal_workflow_metadata');
  expect(definition.type).toBe('jobLifecycle');
  expect(definition.signalDefinitions).toContainEqual({ name: 'doorbell', description: 'Look at the ledger again' });
  expect(currentDetails).toContain('**running**: job 4712 to end');
  expect(currentDetails).toContain(`\`${CLUSTER}/4712\``);
  expect(currentDetails).toMatch(/held [\d.]+ USD, charged 0 USD/);

  const attributes = (await handleOf(job).describe()).typedSearchAttributes;
  expect(attributes.get(BUDGET_STATE)).toBe('running');
  expect(attributes.get(BUDGET_JOB)).toBe(`${CLUSTER}/4712`);
  const due = attributes.get(BUDGET_DUE)?.getTime() ?? 0;
  expect(Math.abs(due - Date.now() - 3_600_000)).toBeLessThan(60_000);
});

test('timers and activities in the history say why they are there', async () => {
  const job = await stage.submit();
  await stage.standsAt(job, 'pending');
  await stage.tell({ type: 'started', jobId: '4713', holdId: job.holdId });
  await stage.standsAt(job, 'running');
  const { events } = await handleOf(job).fetchHistory();
  const summaries = (events ?? []).flatMap(({ userMetadata }) =>
    userMetadata?.summary?.data ? [JSON.parse(Buffer.from(userMetadata.summary.data).toString()) as string] : [],
  );
  expect(summaries).toContain('the job to start');
  expect(summaries).toContain('The bell rang');
  expect(summaries).toContain('job 4713 to end');
});
