/** Stories that outlive a run (months in the queue, thousands of tasks), and news at the wrong moment. */
import { doorbell } from '../../workflows/contracts/job-lifecycle';
import { freshNamespace, quietRuntime, startCrew, startTestDispatcher, until } from './house';
import type { Jobs } from '../../ledger/contract';
import { inSeconds, openSite } from './site';

quietRuntime();

/** Starts a job whose runs have these limits, and hands out the story's handle. */
async function longStory(limits: { runMs: number; events: number }) {
  const [site, namespace] = await Promise.all([openSite(), freshNamespace()]);
  const crew = await startCrew({ namespace, ledger: site.ledger });
  const dispatcher = startTestDispatcher(site.ledger, namespace, { storyLimits: limits });
  const job = await site.submit();
  const handle = namespace.temporal.client.workflow.getHandle(job.workflowId);
  const runId = await until('the story has started', () =>
    handle.describe().then(
      (description) => description.runId,
      () => undefined,
    ),
  );
  const hasContinued = async (from: string) => {
    const description = await handle.describe();
    return description.runId !== from && description.runId;
  };
  const dispose = async () => {
    await dispatcher.stop();
    await crew.stop();
    await namespace[Symbol.asyncDispose]();
    await site[Symbol.asyncDispose]();
  };
  return { site, job, handle, runId, hasContinued, [Symbol.asyncDispose]: dispose };
}

test('a story that outlives its run goes on in the next one, and ends as any other', async () => {
  await using story = await longStory({ runMs: 300, events: 2_000 });
  const { site, job, handle } = story;
  const second = await until('the run continued as new', () => story.hasContinued(story.runId));
  await until('and again', () => story.hasContinued(second));
  expect(await handle.query('jobStory')).toContain('**pending**');

  await site.tell({ type: 'started', jobId: '801', holdId: job.holdId, at: inSeconds(-60) });
  await site.tell({ type: 'ended', jobId: '801', at: inSeconds(0), endState: 'COMPLETED' });
  expect(await handle.result()).toMatchObject({ outcome: 'settled' });
  expect(await site.ledger.holds.read(job.holdId)).toMatchObject({ status: 'settled', held: 0n });
});

test('a thousand bells make no long history and no bell is lost when a run gives way to the next', async () => {
  await using story = await longStory({ runMs: 3_600_000, events: 60 });
  const { site, job, handle } = story;
  // Temporal refuses a bell while a run closes; whoever rings then rings again, as the dispatcher does.
  const ring = () =>
    until('the bell was taken', () =>
      handle.signal(doorbell).then(
        () => true,
        () => false,
      ),
    );
  for (let round = 0; round < 20; round += 1) await Promise.all(Array.from({ length: 50 }, ring));
  await until('the run continued as new', () => story.hasContinued(story.runId));
  await site.tell({ type: 'started', jobId: '802', holdId: job.holdId, at: inSeconds(-60) });
  await site.tell({ type: 'ended', jobId: '802', at: inSeconds(0), endState: 'COMPLETED' });
  expect(await handle.result()).toMatchObject({ outcome: 'settled' });
});

test('a cost that is reported while its story looks at the ledger for the last time is not lost', async () => {
  await using site = await openSite();
  await using namespace = await freshNamespace();
  const { workflow } = namespace.temporal.client;
  const job = await site.submit();
  const handle = workflow.getHandle(job.workflowId);
  const bells = async () =>
    ((await handle.fetchHistory()).events ?? []).filter((event) => event.workflowExecutionSignaledEventAttributes)
      .length;

  let isReported = false;
  const advance: Jobs['advance'] = async (holdId, options) => {
    const chapter = await site.ledger.jobs.advance(holdId, options);
    if (chapter.closed && !isReported) {
      isReported = true;
      const before = await bells();
      await site.tell({ type: 'cost', jobId: '803', cost: '99.5' });
      await until('the bell has rung', async () => (await bells()) > before);
    }
    return chapter;
  };
  const jobs = { ...site.ledger.jobs, advance };
  await using _crew = await startCrew({ namespace, ledger: { ...site.ledger, jobs } });
  await using _dispatcher = startTestDispatcher(site.ledger, namespace);
  await until('the story has started', () =>
    handle.describe().then(
      () => true,
      () => false,
    ),
  );
  await site.tell(
    { type: 'started', jobId: '803', holdId: job.holdId, at: inSeconds(-60) },
    { type: 'ended', jobId: '803', at: inSeconds(0), endState: 'COMPLETED' },
  );
  expect(await handle.result()).toMatchObject({ outcome: 'settled', charged: '99.5' });
});
