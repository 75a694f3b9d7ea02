/** What clients, workers and workflows of `jobLifecycle` share: names, ids, messages. Nothing here runs. */
import { defineQuery, defineSignal } from '@temporalio/workflow';
import { defineSearchAttributeKey } from '@temporalio/common';

export const LEDGER_QUEUE = 'ledger';
export const SCHEDULER_QUEUE = 'scheduler';

export { jobWorkflowId } from '../../domain/ids';

/** Everything the story needs to begin; facts are read from the ledger. */
export interface JobLifecycle {
  holdId: string;
  cluster: string;
  account: string;
  /** The first chapter as the dispatcher saw it, so that the first wait costs no activity. */
  waitsFor: string;
  deadlineMs: number;
}

export interface JobLifecycleResult {
  outcome: 'settled' | 'released';
  charged: string;
  released: string;
  unit: string;
}

/** "Look at the ledger again." A bell carries no facts; lost, repeated and late bells do no harm. */
export const doorbell = defineSignal('doorbell');
export const jobStory = defineQuery<string>('jobStory');

export const BUDGET_KIND = defineSearchAttributeKey('BudgetKind', 'KEYWORD');
export const BUDGET_STATE = defineSearchAttributeKey('BudgetState', 'KEYWORD');
export const BUDGET_ACCOUNT = defineSearchAttributeKey('BudgetAccount', 'KEYWORD');
export const BUDGET_CLUSTER = defineSearchAttributeKey('BudgetCluster', 'KEYWORD');
export const BUDGET_JOB = defineSearchAttributeKey('BudgetJob', 'KEYWORD');
export const BUDGET_DUE = defineSearchAttributeKey('BudgetDue', 'DATETIME');
export const SEARCH_ATTRIBUTES = [BUDGET_KIND, BUDGET_STATE, BUDGET_ACCOUNT, BUDGET_CLUSTER, BUDGET_JOB, BUDGET_DUE];
