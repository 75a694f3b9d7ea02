/**
 * Records the histories that replay.test.ts replays:
 *
 *   npx jest --testMatch '<rootDir>/test/replay/record.ts'
 *
 * What is there already is left alone: it belongs to stories that are being told somewhere, with the code of that day. New
 * code that cannot replay it needs `patched`. Remove a file, and it is recorded again, only when no such story can be alive.
 */
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { historyToJSON } from '@temporalio/common/lib/proto-utils';
import type { Namespace } from '../workflows/house';
import { quietRuntime, until } from '../workflows/house';
import { ANSWERING, continuedLife, LIVES, openStage, type Stage } from '../workflows/lives';
import { askedLook } from '../../workflows/contracts/queue-look';
import { HISTORIES } from './histories';

let stage: Stage;
beforeAll(async () => {
  quietRuntime();
  stage = await openStage();
});
afterAll(() => stage[Symbol.asyncDispose]());

const pathOf = (name: string) => join(HISTORIES, `${name}.json`);

async function keep(name: string, { temporal }: Namespace, workflowId: string, runId?: string): Promise<void> {
  const history = await temporal.client.workflow.getHandle(workflowId, runId).fetchHistory();
  // Who told it, on which machine, is nobody's business.
  const anonymous = historyToJSON(history).replace(/"identity": ?"[^"]*"/g, '"identity":"worker"');
  await mkdir(HISTORIES, { recursive: true });
  await writeFile(pathOf(name), `${JSON.stringify({ workflowId, history: JSON.parse(anonymous) as unknown })}\n`);
}

test.each(Object.entries(LIVES))('%s', async (life, live) => {
  const name = `job-lifecycle-${life}`;
  if (existsSync(pathOf(name))) return;
  const { job } = await live(stage);
  await keep(name, stage.namespace, job.workflowId);
});

test('continued', async () => {
  const names = ['job-lifecycle-continued-1', 'job-lifecycle-continued-2'] as const;
  if (names.every((name) => existsSync(pathOf(name)))) return;
  await using patient = await openStage({ runMs: 1_000, events: 2_000 });
  const { job, firstRunId } = await continuedLife(patient);
  await keep(names[0], patient.namespace, job.workflowId, firstRunId);
  await keep(names[1], patient.namespace, job.workflowId);
});

test('sweep', async () => {
  if (existsSync(pathOf('sweep'))) return;
  const { temporal } = stage.namespace;
  const handle = await temporal.client.workflow.start('sweep', { workflowId: 'sweep', taskQueue: 'ledger' });
  await until('the sweep is over', () => handle.result().then(() => true));
  await keep('sweep', stage.namespace, handle.workflowId);
});

test('queue-look', async () => {
  if (existsSync(pathOf('queue-look'))) return;
  const { temporal } = stage.namespace;
  const workflowId = askedLook(ANSWERING);
  const start = { workflowId, taskQueue: 'ledger', args: [{ cluster: ANSWERING, wide: true }] };
  const handle = await temporal.client.workflow.start('queueLook', start);
  await until('the look is over', () => handle.result().then(() => true));
  await keep('queue-look', stage.namespace, handle.workflowId);
});
