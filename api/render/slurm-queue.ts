/** What came of a look at a queue, on the wire. */
import type { z } from 'zod';
import type { HistoryReport, QueueDeed, QueueReport, SchedulerLook } from '../../ledger/contract';
import type { LookReport } from '../../workflows/contracts/queue-look';
import type {
  SchedulerLookAnswer,
  SlurmHistoryAnswer,
  SlurmQueueAnswer,
  SlurmLookAnswer,
} from '../schemas/slurm-queue';

interface Unreadable {
  count: number;
  first?: string;
}

const deedOf = ({ did, jobId, holdId, detail }: QueueDeed) => ({
  did,
  job_id: jobId,
  transaction_id: holdId,
  detail,
});

export const renderQueueReport = (report: QueueReport, unreadable: Unreadable): z.infer<typeof SlurmQueueAnswer> => ({
  cluster: report.cluster,
  jobs: report.jobs,
  bound: report.bound,
  recorded: report.recorded,
  adopted: report.adopted,
  unreadable: unreadable.count,
  first_unreadable: unreadable.first,
  released: report.givenBack,
  reduced: report.reduced,
  keeps: report.keeps,
  deeds: report.deeds.map(deedOf),
});

export const renderHistoryReport = (
  report: HistoryReport,
  unreadable: Unreadable,
): z.infer<typeof SlurmHistoryAnswer> => ({
  cluster: report.cluster,
  rows: report.jobs,
  ended: report.ended,
  recorded: report.recorded,
  adopted: report.adopted,
  unreadable: unreadable.count,
  first_unreadable: unreadable.first,
  deeds: report.deeds.map(deedOf),
});

export const renderSlurmLook = (
  report: Omit<LookReport, 'result'> & { result: LookReport['result'] | 'looking' },
  workflowId: string,
): z.infer<typeof SlurmLookAnswer> => ({
  cluster: report.cluster,
  result: report.result,
  workflow_id: workflowId,
  failures: report.failures,
  jobs: report.jobs,
  records: report.records,
  recorded: report.recorded,
  bound: report.bound,
  adopted: report.adopted,
  ended: report.ended,
  released: report.givenBack,
  reduced: report.reduced,
  keeps: report.keeps,
  deeds: report.deeds.map(deedOf),
});

export const renderLook = (look: SchedulerLook): z.infer<typeof SchedulerLookAnswer> => ({
  cluster: look.cluster,
  time_zone: look.timeZone,
  listed_at: look.listedAt,
  listed_age_seconds: look.listedAgeSeconds,
  listed_jobs: look.listedJobs,
  accounted_at: look.accountedAt,
  accounted_age_seconds: look.accountedAgeSeconds,
  failed_at: look.failedAt,
  failure: look.failure,
  unseen_holds: look.unseen,
});
