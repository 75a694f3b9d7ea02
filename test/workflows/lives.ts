/**
 * The main ways in which a job's life goes, each told to the ledger as a scheduler would and followed to its end. The tests
 * judge them, and `record.ts` keeps their histories.
 */
import type { SchedulerAdapter } from '../../activities';
import type { Outbox, OutboxItem } from '../../ledger/contract';
import type { JobLifecycle, JobLifecycleResult } from '../../workflows/contracts/job-lifecycle';
import { freshNamespace, startCrew, startTestDispatcher, until, type Namespace } from './house';
import { inSeconds, openSite, type HeldJob, type Site } from './site';

/** A site whose stories are told. */
export interface Stage extends Site {
  namespace: Namespace;
  /** Schedulers that can be asked, by cluster. */
  adapters: Map<string, SchedulerAdapter>;
  /** While true, no ring arrives: what the dispatcher takes from the outbox is lost on its way. */
  bellsAreLost: boolean;
  /** Waits until the story says that this is where it stands. */
  standsAt(job: HeldJob, state: string): Promise<void>;
  /** What the story returned. */
  ends(job: HeldJob): Promise<JobLifecycleResult>;
}

/** Deadlines of a second or so, for what happens when nobody says anything. */
export const HASTY = 'hasty';
/** Not quite so short, and the cost of a job is what somebody reports. */
export const REPORTING = 'reporting';
/** Its scheduler can be asked. */
export const ANSWERING = 'answering';

export async function openStage(storyLimits?: JobLifecycle['limits']): Promise<Stage> {
  const [site, namespace] = await Promise.all([openSite(), freshNamespace()]);
  await site.addCluster(HASTY, { reconciliationTimeoutSeconds: 1 });
  // Long enough for somebody to see that a cost is waited for.
  await site.addCluster(REPORTING, { reconciliationTimeoutSeconds: 10, costSource: 'reported' });
  await site.addCluster(ANSWERING, { reconciliationTimeoutSeconds: 1 });
  const adapters: Stage['adapters'] = new Map();
  const crew = await startCrew({ namespace, ledger: site.ledger, adapterOf: (cluster) => adapters.get(cluster) });
  const { outbox } = site.ledger;
  const claim: Outbox['claim'] = async (limit, leaseMs) => {
    const items = await outbox.claim(limit, leaseMs);
    if (!stage.bellsAreLost) return items;
    const isRing = ({ kind }: OutboxItem) => kind === 'ring';
    await outbox.done(items.filter(isRing).map(({ outboxNo }) => outboxNo));
    return items.filter((item) => !isRing(item));
  };
  const dispatcher = startTestDispatcher(site.ledger, namespace, { outbox: { ...outbox, claim }, storyLimits });
  const { workflow } = namespace.temporal.client;
  const stage: Stage = {
    ...site,
    bellsAreLost: false,
    namespace,
    adapters,
    standsAt: async ({ workflowId }, state) => {
      await until(`${workflowId} is ${state}`, () =>
        workflow
          .getHandle(workflowId)
          .query<string>('jobStory')
          .then(
            (page) => page.startsWith(`**${state}**`),
            () => false,
          ),
      );
    },
    ends: async ({ workflowId }) => {
      const handle = workflow.getHandle(workflowId);
      await until(`${workflowId} has started`, () =>
        handle.describe().then(
          () => true,
          () => false,
        ),
      );
      return handle.result() as Promise<JobLifecycleResult>;
    },
    [Symbol.asyncDispose]: async () => {
      await dispatcher.stop();
      await crew.stop();
      await namespace[Symbol.asyncDispose]();
      await site[Symbol.asyncDispose]();
    },
  };
  return stage;
}

export interface Life {
  job: HeldJob;
  result: JobLifecycleResult;
}

let jobNumber = 4_000;
const nextJobId = () => String((jobNumber += 1));

/** Start, started, ended: the life that most jobs have. */
export async function ordinaryLife(stage: Stage): Promise<Life> {
  const job = await stage.submit();
  const [jobId, { holdId }] = [nextJobId(), job];
  await stage.standsAt(job, 'pending');
  await stage.tell({ type: 'started', jobId, holdId, at: inSeconds(-1_800) });
  await stage.standsAt(job, 'running');
  await stage.tell({ type: 'ended', jobId, at: inSeconds(0), endState: 'COMPLETED' });
  return { job, result: await stage.ends(job) };
}

export async function cancelledWhilePending(stage: Stage): Promise<Life> {
  const job = await stage.submit();
  const [jobId, { holdId }] = [nextJobId(), job];
  await stage.tell({ type: 'submitted', jobId, holdId });
  await stage.standsAt(job, 'pending');
  await stage.tell({ type: 'cancelled', jobId });
  return { job, result: await stage.ends(job) };
}

/** Runs twice: 600 seconds, then 900. */
export async function requeuedLife(stage: Stage): Promise<Life> {
  const job = await stage.submit();
  const [jobId, { holdId }] = [nextJobId(), job];
  await stage.tell({ type: 'started', jobId, holdId, at: inSeconds(-3_000) });
  await stage.standsAt(job, 'running');
  await stage.tell({ type: 'requeued', jobId, at: inSeconds(-2_400) });
  await stage.standsAt(job, 'pending');
  await stage.tell({ type: 'started', jobId, at: inSeconds(-1_000) });
  await stage.standsAt(job, 'running');
  await stage.tell({ type: 'ended', jobId, at: inSeconds(-100), endState: 'COMPLETED' });
  return { job, result: await stage.ends(job) };
}

/** Started, and never heard of again; there is no scheduler to ask. */
export async function lifeWithoutEnd(stage: Stage): Promise<Life> {
  const job = await stage.submit({ cluster: HASTY, wallSeconds: 1 });
  await stage.tell({ type: 'started', jobId: nextJobId(), cluster: HASTY, holdId: job.holdId });
  return { job, result: await stage.ends(job) };
}

/** Its end gets lost, the scheduler is away at first, and knows when it is back. */
export async function lifeFoundOut(stage: Stage): Promise<Life & { keptWhileAway: boolean }> {
  const [jobId, cluster] = [nextJobId(), ANSWERING];
  const asked = { times: 0, isBack: false };
  stage.adapters.set(cluster, {
    whatBecameOf: async () => {
      asked.times += 1;
      if (!asked.isBack) throw new Error('no route to host');
      return [{ type: 'ended', cluster, jobId, at: inSeconds(0), endState: 'COMPLETED' }];
    },
  });
  const job = await stage.submit({ cluster, wallSeconds: 1 });
  await stage.tell({ type: 'started', jobId, cluster, holdId: job.holdId });
  await until('the scheduler was asked, again and again', () => Promise.resolve(asked.times >= 3));
  await stage.standsAt(job, 'overdue');
  const { status } = await stage.ledger.holds.read(job.holdId);
  asked.isBack = true;
  return { job, result: await stage.ends(job), keptWhileAway: status === 'open' };
}

/** Ends, nobody reports a cost in time, so it is settled by usage. */
export async function provisionalLife(stage: Stage): Promise<Life & { jobId: string }> {
  const [jobId, cluster] = [nextJobId(), REPORTING];
  const job = await stage.submit({ cluster });
  await stage.tell({ type: 'started', jobId, cluster, holdId: job.holdId, at: inSeconds(-600) });
  await stage.standsAt(job, 'running');
  await stage.tell({ type: 'ended', jobId, cluster, at: inSeconds(0), endState: 'COMPLETED' });
  await stage.standsAt(job, 'awaiting_cost');
  return { job, jobId, result: await stage.ends(job) };
}

/** Three tasks, one hold, one story. */
export async function arrayLife(stage: Stage): Promise<Life> {
  const job = await stage.submit({ arrayTasks: 3 });
  const [jobId, { holdId }] = [nextJobId(), job];
  for (const task of ['1', '2', '3']) {
    await stage.tell({ type: 'started', jobId, task, holdId, at: inSeconds(-900) });
  }
  await stage.standsAt(job, 'running');
  for (const task of ['3', '1', '2']) {
    await stage.tell({ type: 'ended', jobId, task, at: inSeconds(0), endState: 'COMPLETED' });
  }
  return { job, result: await stage.ends(job) };
}

/** Two components with a hold each, and one story over both; the second ends first. */
export async function heterogeneousLife(stage: Stage): Promise<Life> {
  const component = stage.componentOf({ wallSeconds: 3_600 });
  const job = await stage.submit({ components: [component, { ...component, partition: 'big' }] });
  const [jobId, { holdId }] = [nextJobId(), job];
  for (const task of ['+0', '+1']) {
    await stage.tell({ type: 'started', jobId, task, holdId, at: inSeconds(-900) });
  }
  await stage.standsAt(job, 'running');
  for (const task of ['+1', '+0']) {
    await stage.tell({ type: 'ended', jobId, task, at: inSeconds(0), endState: 'COMPLETED' });
  }
  return { job, result: await stage.ends(job) };
}

/** So long in the queue that its story goes on in a second run; for a stage whose limits make that short. */
export async function continuedLife(stage: Stage): Promise<Life & { firstRunId: string }> {
  const job = await stage.submit();
  const handle = stage.namespace.temporal.client.workflow.getHandle(job.workflowId);
  await stage.standsAt(job, 'pending');
  const { runId: firstRunId } = await handle.describe();
  await until('the story goes on in another run', async () => (await handle.describe()).runId !== firstRunId);
  const [jobId, { holdId }] = [nextJobId(), job];
  await stage.tell({ type: 'started', jobId, holdId, at: inSeconds(-60) });
  await stage.tell({ type: 'ended', jobId, at: inSeconds(0), endState: 'COMPLETED' });
  return { job, firstRunId, result: await stage.ends(job) };
}

export const LIVES: Record<string, (stage: Stage) => Promise<Life>> = {
  ordinary: ordinaryLife,
  'cancelled-while-pending': cancelledWhilePending,
  requeued: requeuedLife,
  'without-end': lifeWithoutEnd,
  'found-out': lifeFoundOut,
  provisional: provisionalLife,
  array: arrayLife,
  heterogeneous: heterogeneousLife,
};
