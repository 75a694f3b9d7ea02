/** What Temporal starts by the clock. The definitions are here; Temporal's copies are made equal to them whenever a worker starts. */
import { ScheduleAlreadyRunning, ScheduleNotFoundError, type Client, type ScheduleOptions } from '@temporalio/client';
import { LEDGER_QUEUE } from '../workflows/contracts/job-lifecycle';
import { LOOK_PREFIX, lookSchedule, nightlySchedule, type QueueLook } from '../workflows/contracts/queue-look';
import { NOTICES_SCHEDULE } from '../workflows/contracts/notices';
import { SWEEP_SCHEDULE } from '../workflows/contracts/sweep';
import { WALL_SCHEDULE } from '../workflows/contracts/wall';

// A round that was missed need not be made up for: the next one finds everything that there is to do.
const POLICIES = { overlap: 'SKIP', catchupWindow: '1 minute' } as const;

const every = (everyMs: number, { name, summary }: { name: string; summary: string }) =>
  ({
    scheduleId: name,
    spec: { intervals: [{ every: everyMs }] },
    action: {
      type: 'startWorkflow',
      workflowType: name,
      workflowId: name,
      taskQueue: LEDGER_QUEUE,
      // A round that found no worker for so long is out of date; the next one finds whatever it would have found.
      workflowExecutionTimeout: '10 minutes',
      staticSummary: summary,
    },
    policies: POLICIES,
  }) satisfies ScheduleOptions;

export const ensureSweep = (client: Client, everyMs = 60_000): Promise<void> =>
  ensure(client, every(everyMs, { name: SWEEP_SCHEDULE, summary: 'Lost stories, expired funds, seals' }));

/** Where nobody is to be told there is none. */
export const ensureNotices = (client: Client, isWanted: boolean, everyMs = 60_000): Promise<void> =>
  isWanted
    ? ensure(client, every(everyMs, { name: NOTICES_SCHEDULE, summary: 'E-mail to users about refunds' }))
    : remove(client, NOTICES_SCHEDULE);

/** Undefined: Slurm's own limits are left alone. */
export const ensureWall = (client: Client, everyMs: number | undefined): Promise<void> =>
  everyMs === undefined
    ? remove(client, WALL_SCHEDULE)
    : ensure(client, every(everyMs, { name: WALL_SCHEDULE, summary: "Slurm's own limits" }));

/** Makes the schedule, or makes it what it should be. Whether it is paused is the operator's business and stays. */
async function ensure(client: Client, { scheduleId, ...definition }: ScheduleOptions): Promise<void> {
  try {
    await client.schedule.create({ scheduleId, ...definition });
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    await client.schedule.getHandle(scheduleId).update(({ state }) => ({ ...definition, state }));
  }
}

export interface Looks {
  clusters: readonly string[];
  everyMs: number;
  /** By whose clock it is night. */
  timeZone: string;
}

/** Not all clusters at once, and not when everybody else's nightly work begins. */
const NIGHT = { hour: 3, minute: 17 } as const;

const lookAt = (look: QueueLook, scheduleId: string, summary: string) => ({
  scheduleId,
  action: {
    type: 'startWorkflow' as const,
    workflowType: 'queueLook',
    workflowId: scheduleId,
    taskQueue: LEDGER_QUEUE,
    args: [look] as [QueueLook],
    workflowExecutionTimeout: '10 minutes' as const,
    staticSummary: summary,
  },
  policies: POLICIES,
});

/** One schedule for each cluster that can be asked, and a nightly one. Those of clusters that cannot be any more are taken away. */
export async function ensureLooks(client: Client, { clusters, everyMs, timeZone }: Looks): Promise<void> {
  const known = new Set<string>();
  for (const cluster of clusters) {
    const [often, nightly] = [lookSchedule(cluster), nightlySchedule(cluster)];
    await ensure(client, {
      ...lookAt({ cluster }, often, `The queue of ${cluster}`),
      spec: { intervals: [{ every: everyMs }] },
    });
    await ensure(client, {
      ...lookAt({ cluster, wide: true }, nightly, `The accounting of ${cluster}, of the last days`),
      spec: { calendars: [NIGHT], timezone: timeZone },
    });
    known.add(often).add(nightly);
  }
  for await (const { scheduleId } of client.schedule.list()) {
    if (scheduleId.startsWith(LOOK_PREFIX) && !known.has(scheduleId))
      await client.schedule.getHandle(scheduleId).delete();
  }
}

async function remove(client: Client, scheduleId: string): Promise<void> {
  try {
    await client.schedule.getHandle(scheduleId).delete();
  } catch (error) {
    if (!(error instanceof ScheduleNotFoundError)) throw error;
  }
}
