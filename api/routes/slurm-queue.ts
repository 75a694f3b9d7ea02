/** What Slurm shows when it is asked: pushed by a relay beside the controller, or looked at by a worker of ours. */
import { Hono } from 'hono';
import { Fault } from '../../domain/faults';
import { given } from '../../domain/given';
import { readHistory } from '../../domain/sacct-look';
import { readSqueue } from '../../domain/squeue';
import { instantOfSeconds } from '../../domain/time';
import { HOOKS_READ } from '../access';
import type { ApiDeps, ApiEnv } from '../env';
import { operation } from '../operation';
import { renderHistoryReport, renderLook, renderQueueReport, renderSlurmLook } from '../render/slurm-queue';
import {
  SchedulerLookAnswer,
  SlurmHistoryAnswer,
  SlurmHistoryRequest,
  SlurmQueueAnswer,
  SlurmQueueRequest,
  SlurmLookAnswer,
  SlurmLookRequest,
} from '../schemas/slurm-queue';

const tag = 'Slurm';

/** A quarter of a million jobs. */
const BYTES_MAX = 68 * 1_048_576;

/** A relay that is newer than the service may send more than it knows. */
const dialect = 'asbb';

export const slurmQueueRoutes = ({ ledger: { queue, catalog }, metrics, temporal, defaultCluster }: ApiDeps) =>
  new Hono<ApiEnv>()
    .post(
      '/slurm/queue',
      operation({
        id: 'listSlurmQueue',
        tag,
        may: ['hook'],
        summary: 'What squeue shows: all jobs of one moment.',
        description:
          'Binds live jobs by their stamps, records starts, suspensions and ends that nobody told, opens late holds for jobs that run without one, and gives back what no job has carried for slurm.hold_grace. Any number of times; a listing that is older than the last one gives nothing back.',
        dialect,
        body: SlurmQueueRequest,
        keyed: false,
        bodyBytesMax: BYTES_MAX,
        answer: SlurmQueueAnswer,
        faults: ['cluster_not_found'],
        example: {
          request: {
            taken_at: 1795712702,
            sent_at: 1795712703,
            squeue:
              '2|2|N/A|RUNNING|1795712659|1795712659|1795712959|0:43|5:00|proj-a|alice|cpu|c1|cpu=2,mem=1000M,node=1,billing=2|bursar:e193c253d61472c9ff64a6493432379b\n',
          },
        },
      }),
      async (c) => {
        const { body, caller } = c.var.input;
        const cluster = body.cluster ?? defaultCluster;
        const { timeZone } = await catalog.readCluster(cluster);
        const { jobs, faults } = readSqueue(body.squeue, { timeZone });
        const sentAt = body.sent_at ?? Math.floor(Date.now() / 1000);
        const report = await queue.listed(
          {
            cluster,
            jobs,
            takenAt: instantOfSeconds(body.taken_at),
            ageSeconds: Math.max(0, sentAt - body.taken_at),
            isWhole: faults.length === 0,
          },
          caller,
        );
        metrics.adoptedJobs.inc(report.adopted);
        metrics.holdsGivenBack.inc(report.givenBack + report.reduced);
        metrics.schedulerLooks.inc({ result: report.keeps === undefined ? 'looked' : 'incomplete' });
        return c.json(renderQueueReport(report, unreadableOf(faults)));
      },
    )
    .post(
      '/slurm/history',
      operation({
        id: 'recordSlurmHistory',
        tag,
        may: ['hook'],
        summary: 'What sacct knows to have ended.',
        description:
          'Runs of whose end nobody has told are recorded, and settled from there. What is known changes nothing, so that parts may overlap and be sent again.',
        dialect,
        body: SlurmHistoryRequest,
        keyed: false,
        bodyBytesMax: BYTES_MAX,
        answer: SlurmHistoryAnswer,
        faults: ['cluster_not_found'],
        example: {
          request: {
            sacct:
              'JobID|JobIDRaw|Account|User|UID|Partition|Submit|Start|End|Elapsed|State|ExitCode|NNodes|NCPUS|ReqTRES|AllocTRES|Timelimit|NodeList|AdminComment\n',
          },
        },
      }),
      async (c) => {
        const { body, caller } = c.var.input;
        const cluster = body.cluster ?? defaultCluster;
        const { timeZone } = await catalog.readCluster(cluster);
        const { jobs, faults } = readHistory(body.sacct, { timeZone });
        const report = await queue.accounted(cluster, jobs, caller);
        const [fault] = faults;
        await queue.heardPart(cluster, {
          isLast: !body.more,
          ...given({ fault: fault && `sacct: ${fault.detail}` }),
        });
        metrics.adoptedJobs.inc(report.adopted);
        return c.json(renderHistoryReport(report, unreadableOf(faults)));
      },
    )
    .get(
      '/slurm/looks',
      operation({
        id: 'listSlurmLooks',
        tag,
        may: HOOKS_READ,
        summary: 'When each scheduler was last looked at, and whether it answered.',
        answer: SchedulerLookAnswer.array(),
      }),
      async (c) => {
        const { cluster } = c.var.access;
        const looks = (await queue.looks()).filter((look) => cluster === undefined || look.cluster === cluster);
        return c.json(looks.map(renderLook));
      },
    )
    .post(
      '/slurm/looks',
      operation({
        id: 'lookAtSlurm',
        tag,
        summary: 'Looks at queue and accounting now, and says what that did.',
        description:
          'A worker does it, as it does by itself every slurm.monitor_interval. Where it takes longer than a request may, the answer is `looking`; who asks again waits for the same look.',
        body: SlurmLookRequest,
        bodyOptional: true,
        keyed: false,
        answer: SlurmLookAnswer,
        faults: ['cluster_not_found', 'temporal_unavailable'],
        example: { request: { wide: true } },
      }),
      async (c) => {
        const { cluster = defaultCluster, wide } = c.var.input.body;
        await catalog.readCluster(cluster);
        if (temporal.look === undefined) {
          throw new Fault('temporal_unavailable', 'No Temporal is configured here, so no worker can look.');
        }
        const { workflowId, report } = await temporal.look({ cluster, ...(wide && { wide }) });
        return c.json(renderSlurmLook(report ?? { ...NOTHING_YET, cluster }, workflowId));
      },
    );

const NOTHING_YET = {
  result: 'looking' as const,
  failures: [],
  deeds: [],
  ...{ jobs: 0, records: 0, recorded: 0, bound: 0, adopted: 0, ended: 0, givenBack: 0, reduced: 0 },
};

function unreadableOf(faults: readonly { line: number; detail: string }[]): { count: number; first?: string } {
  const [first] = faults;
  return { count: faults.length, ...(first && { first: `line ${first.line}: ${first.detail}` }) };
}
