/** What happened to jobs, and the stories that it makes. */
import { Hono } from 'hono';
import type { z } from 'zod';
import { given } from '../../domain/given';
import { splitJobId } from '../../domain/slurm-job';
import { readResources } from '../../domain/slurm-resources';
import type { JobEvent } from '../../ledger/contract';
import { HOOKS_READ } from '../access';
import type { ApiDeps, ApiEnv } from '../env';
import { EVENTS_EXAMPLE } from '../examples';
import { operation } from '../operation';
import { answerPage, pageOf } from '../paging';
import { renderJob, renderReceipts, renderStory } from '../render/job';
import {
  JobAnswer,
  JobEventsAnswer,
  type JobEventRequest,
  JobEventsRequest,
  JobListQuery,
  JobPath,
  JobStoryAnswer,
} from '../schemas/job';

const tag = 'Jobs';

/** A thousand events with their raw records. */
const EVENTS_BYTES_MAX = 8 * 1_048_576;

export const jobRoutes = ({ ledger: { jobs }, metrics, temporal, defaultCluster }: ApiDeps) =>
  new Hono<ApiEnv>()
    .post(
      '/jobs/events',
      operation({
        id: 'recordJobEvents',
        tag,
        may: ['hook'],
        summary: 'What a scheduler has to tell: in any order, late, or twice.',
        description:
          'Events are stored, bound to their holds, and the stories of these are rung. One receipt an event. No key is needed: an event is known by what it says, so what is sent again is a duplicate and changes nothing.',
        body: JobEventsRequest,
        keyed: false,
        bodyBytesMax: EVENTS_BYTES_MAX,
        answer: JobEventsAnswer,
        faults: ['cluster_not_found'],
        example: { request: EVENTS_EXAMPLE },
      }),
      async (c) => {
        const { body, caller } = c.var.input;
        const events = body.events.map((event) => readEvent(event, defaultCluster));
        const receipts = await jobs.recordEvents(events, caller);
        receipts.forEach(({ status }, index) =>
          metrics.jobEvents.inc({ type: events[index]?.type ?? 'unknown', status }),
        );
        return c.json(renderReceipts(receipts));
      },
    )
    .get(
      '/jobs',
      operation({
        id: 'listJobs',
        tag,
        may: HOOKS_READ,
        summary:
          'All jobs, the newest first; one that was requeued once, as it was submitted last, with all its money.',
        query: JobListQuery,
        answer: JobAnswer.array(),
        paged: true,
        faults: ['account_not_found', 'cluster_not_found'],
      }),
      async (c) => {
        const {
          cluster,
          account,
          user_id: user,
          state,
          quarantined,
          late,
          admitted,
          job_id: jobId,
          ...page
        } = c.var.input.query;
        const filter = given({ cluster, account, user, state, quarantined, late, admitted, jobId });
        return answerPage(c, await jobs.list(filter, pageOf(page)), (job) => renderJob(job, temporal));
      },
    )
    .get(
      '/jobs/:cluster/:job_id',
      operation({
        id: 'readJob',
        tag,
        may: HOOKS_READ,
        summary: 'The whole story of a job: asked, held, run, charged, given back.',
        path: JobPath,
        answer: JobStoryAnswer,
        faults: ['job_not_found', 'cluster_not_found'],
      }),
      async (c) => {
        const { path } = c.var.input;
        return c.json(renderStory(await jobs.read(path.cluster, path.job_id), temporal));
      },
    );

function readEvent(event: z.output<typeof JobEventRequest>, defaultCluster: string): JobEvent {
  const { tres, nodes, cpus, gpus, memory } = event;
  const saysResources = [tres, nodes, cpus, gpus, memory].some((said) => said !== undefined);
  return {
    type: event.type,
    cluster: event.cluster ?? defaultCluster,
    // `123_4` is task 4 of array 123, and `123+1` component 1 of job 123, where the task is not said by itself.
    ...(event.task === undefined ? splitJobId(event.job_id) : { jobId: event.job_id, task: event.task }),
    at: event.at,
    ...given({
      submittedAt: event.submitted_at,
      startedAt: event.started_at,
      holdId: event.transaction_id,
      holdKey: event.hold_key,
      account: event.account,
      user: event.user_id,
      partition: event.partition,
      name: event.job_name,
      endState: event.end_state?.endState,
      cancelledBy: event.cancelled_by ?? event.end_state?.cancelledBy,
      uid: event.uid,
      exitCode: event.exit_code,
      resources: saysResources ? readResources({ tres, nodes, cpus, gpus, memory }).resources : undefined,
      timeLimitSeconds: event.time_limit?.wallSeconds,
      suspendedSeconds: event.suspended_seconds,
      cost: event.cost?.numeral,
      correction: event.correction,
      raw: event.raw,
    }),
  };
}
