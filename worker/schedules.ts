/** What Temporal starts by the clock. The definition is here; Temporal's copy is made equal to it whenever a worker starts. */
import { ScheduleAlreadyRunning, type Client, type ScheduleOptions } from '@temporalio/client';
import { LEDGER_QUEUE } from '../workflows/contracts/job-lifecycle';
import { SWEEP_SCHEDULE } from '../workflows/contracts/sweep';
import type { sweep } from '../workflows/sweep';

const sweepSchedule = (everyMs: number) =>
  ({
    scheduleId: SWEEP_SCHEDULE,
    spec: { intervals: [{ every: everyMs }] },
    action: {
      type: 'startWorkflow',
      workflowType: 'sweep',
      workflowId: 'sweep',
      taskQueue: LEDGER_QUEUE,
      // A sweep that found no worker for so long is out of date; the next one finds whatever it would have found.
      workflowExecutionTimeout: '10 minutes',
      staticSummary: 'Lost stories, expired funds, seals',
    },
    // A sweep that was missed need not be made up for: the next one mends everything that there is to mend.
    policies: { overlap: 'SKIP', catchupWindow: '1 minute' },
  }) satisfies ScheduleOptions;

/** Makes the schedule, or makes it what it should be. Whether it is paused is the operator's business and stays. */
export async function ensureSweep(client: Client, everyMs = 60_000): Promise<void> {
  const { scheduleId, ...definition } = sweepSchedule(everyMs);
  try {
    await client.schedule.create<typeof sweep>({ scheduleId, ...definition });
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    await client.schedule.getHandle(scheduleId).update<typeof sweep>(({ state }) => ({ ...definition, state }));
  }
}
