import type { z } from 'zod';
import type { Resources } from '../../domain/job';
import type { EventReceipt, Job, JobDecision, JobStory } from '../../ledger/contract';
import type { JobAnswer, JobEventsAnswer, JobStoryAnswer } from '../schemas/job';
import { renderDecision } from './budget';
import { renderHold } from './hold';
import { amount, amountOr } from './money';
import { renderTransaction } from './transaction';

export interface TemporalUi {
  namespace: string;
  uiUrl?: string;
}

/** Where the story can be looked at. */
const storyUrl = ({ uiUrl, namespace }: TemporalUi, workflowId: string | undefined): string | undefined =>
  uiUrl === undefined || workflowId === undefined
    ? undefined
    : `${uiUrl.replace(/\/+$/, '')}/namespaces/${encodeURIComponent(namespace)}/workflows/${encodeURIComponent(workflowId)}`;

/** A job of a list, or the head of a story, which knows one state more. */
export const renderJob = <State extends JobStory['state']>(
  job: Omit<Job, 'state'> & { state: State },
  temporal: TemporalUi,
): Omit<z.infer<typeof JobAnswer>, 'state'> & { state: State } => ({
  cluster: job.cluster,
  time_zone: job.clusterTimeZone,
  job_id: job.jobId,
  job_name: job.name,
  account: job.account,
  unit: job.unit,
  user_id: job.user,
  partition: job.partition,
  submitted_at: job.submittedAt,
  state: job.state,
  quarantined: job.quarantined,
  transaction_id: job.holdId,
  late: job.late,
  admitted: job.admission?.kind,
  admission_reason: job.admission?.reason,
  admission_cost: amountOr(job.admission?.cost, undefined),
  held: amount(job.held),
  charged: amount(job.charged),
  accrued: amount(job.accrued),
  workflow_id: job.workflowId,
  workflow_url: storyUrl(temporal, job.workflowId),
  updated_at: job.updatedAt,
});

const renderResources = (resources: Resources) => ({
  nodes: resources.nodes,
  cpus: resources.cpus,
  gpus: resources.gpus,
  gpus_by_model: { ...resources.gpusByModel },
  memory_mib: resources.memoryMib,
});

const renderJobDecision = ({ decidedAt, components, details, ...decision }: JobDecision) => ({
  ...renderDecision(decision),
  decided_at: decidedAt,
  components: components.map(({ partition, resources, wallSeconds, unlimited, arrayTasks }) => ({
    partition,
    resources: renderResources(resources),
    wall_seconds: wallSeconds,
    unlimited,
    array_tasks: arrayTasks,
  })),
  job_details: details,
});

export const renderStory = (story: JobStory, temporal: TemporalUi): z.infer<typeof JobStoryAnswer> => ({
  ...renderJob(story, temporal),
  waits_for: story.waitsFor,
  deadline: story.deadline,
  decision: story.decision && renderJobDecision(story.decision),
  hold: story.hold && renderHold(story.hold),
  refused_changes: story.refusedChanges.map(({ at, code, message, mode }) => ({ at, code, message, mode })),
  lone_changes: story.loneChanges.map(({ at, outcome, message, cost }) => ({
    at,
    outcome,
    message,
    cost: amountOr(cost, undefined),
  })),
  runs: story.runs.map((run) => ({
    run_key: run.runKey,
    task: run.task,
    started_at: run.startedAt,
    ended_at: run.endedAt,
    end_state: run.endState,
    run_seconds: run.runSeconds,
    charge: run.charge && {
      transaction_id: run.charge.transactionId,
      amount: amount(run.charge.amount),
      refunded: amount(run.charge.refunded),
      source: run.charge.source,
    },
  })),
  events: story.events.map((event) => ({
    type: event.type,
    at: event.at,
    recorded_at: event.recordedAt,
    task: event.task === '' ? undefined : event.task,
    started_at: event.startedAt,
    end_state: event.endState,
    cancelled_by: event.cancelledBy,
    exit_code: event.exitCode,
    resources: event.resources && renderResources(event.resources),
    time_limit_seconds: event.timeLimitSeconds,
    suspended_seconds: event.suspendedSeconds,
    cost: event.cost,
    correction: event.correction,
    note: event.note,
  })),
  transactions: story.transactions.map(renderTransaction),
  has_earlier_transactions: story.hasEarlierTransactions,
});

export function renderReceipts(receipts: EventReceipt[]): z.infer<typeof JobEventsAnswer> {
  const count = (status: EventReceipt['status']) => receipts.filter((receipt) => receipt.status === status).length;
  return {
    recorded: count('recorded'),
    duplicates: count('duplicate'),
    unmatched: count('unmatched'),
    receipts: receipts.map((receipt) => ({
      status: receipt.status,
      cluster: receipt.cluster,
      job_id: receipt.jobId,
      transaction_id: receipt.holdId,
      detail: receipt.detail,
      note: receipt.note,
    })),
  };
}
