/** What clients, workers and workflows of `jobLifecycle` share: names, ids, messages. Nothing here does anything. */
import { defineSearchAttributeKey, type SearchAttributeUpdatePair } from '@temporalio/common';
import { defineQuery, defineSignal } from '@temporalio/workflow';
import type { JobState, SchedulerAnswer } from '../../domain/job';

export const LEDGER_QUEUE = 'ledger';
export const SCHEDULER_QUEUE = 'scheduler';

/**
 * Everything the story needs to begin: the ledger's chapter as the dispatcher saw it, so that the first wait costs no
 * activity. A story that continues as new begins with the chapter it had reached. Old runs are replayed with the inputs
 * they were given, so fields are only ever added here, and are optional when they are.
 */
export interface JobLifecycle {
  holdId: string;
  cluster: string;
  account: string;
  jobId?: string;
  /** `unknown`: the ledger has no such hold, for it was restored from a backup that is older. */
  state: JobState | 'unknown';
  /** A sentence for the operator: what is waited for. */
  waitsFor: string;
  /** When to look again although nobody rang. */
  deadlineMs?: number;
  /** Decimal strings. */
  held: string;
  charged: string;
  unit: string;
  /** The bell rang and nobody has looked yet. */
  rung?: boolean;
  /** What the scheduler could say when it was last asked. */
  scheduler?: SchedulerAnswer | undefined;
  /** When a run has become so old or so long it continues as new. Default: 14 days, 2000 events. */
  limits?: { runMs: number; events: number } | undefined;
}

export interface JobLifecycleResult {
  outcome: 'settled' | 'released' | 'unknown';
  charged: string;
  released: string;
  unit: string;
}

/** "Look at the ledger again." A bell carries no facts; lost, repeated and late bells do no harm. */
export const doorbell = defineSignal('doorbell');
/** Where the story stands, as the operator's page says it. */
export const jobStory = defineQuery<string>('jobStory');

export const BUDGET_KIND = defineSearchAttributeKey('BudgetKind', 'KEYWORD');
export const BUDGET_STATE = defineSearchAttributeKey('BudgetState', 'KEYWORD');
export const BUDGET_ACCOUNT = defineSearchAttributeKey('BudgetAccount', 'KEYWORD');
export const BUDGET_CLUSTER = defineSearchAttributeKey('BudgetCluster', 'KEYWORD');
export const BUDGET_JOB = defineSearchAttributeKey('BudgetJob', 'KEYWORD');
export const BUDGET_DUE = defineSearchAttributeKey('BudgetDue', 'DATETIME');
export const SEARCH_ATTRIBUTES = [BUDGET_KIND, BUDGET_STATE, BUDGET_ACCOUNT, BUDGET_CLUSTER, BUDGET_JOB, BUDGET_DUE];

/** By what an operator finds a story: `BudgetAccount = 'astro' and BudgetState = 'awaiting_cost'`. No money: it is indexed. */
export const searchAttributesOf = (story: JobLifecycle): SearchAttributeUpdatePair[] => [
  { key: BUDGET_KIND, value: 'job' },
  { key: BUDGET_STATE, value: story.state },
  { key: BUDGET_ACCOUNT, value: story.account },
  { key: BUDGET_CLUSTER, value: story.cluster },
  // Keywords end at 255 characters.
  { key: BUDGET_JOB, value: story.jobId === undefined ? null : `${story.cluster}/${story.jobId}`.slice(0, 255) },
  { key: BUDGET_DUE, value: story.deadlineMs === undefined ? null : new Date(story.deadlineMs) },
];
