/**
 * Ids as the outside sees them: a kind, an underscore, a ULID. The server makes them; keys are the caller's (rulings 9).
 * Transactions that were imported from ASBB keep the ids they had there: txn_ and digits, by which scripts know them.
 */

export type TransactionId = `txn_${string}`;
export type FundId = `fund_${string}`;

export const isTransactionId = (text: string): text is TransactionId => /^txn_[\x21-\x7e]{1,124}$/.test(text);

/**
 * The workflow that follows a hold. It exists before the scheduler has given the job an id (rulings 19). A story that was
 * terminated or lost is told again as generation n, because a workflow id is used up once its run has closed.
 */
export const jobWorkflowId = (cluster: string, holdId: string, generation = 0): string =>
  `job/${cluster}/${holdId}${generation === 0 ? '' : `/g${generation}`}`;

/** The hold that a workflow of that id follows. */
export const holdOfWorkflow = (workflowId: string): string | undefined => workflowId.split('/')[2];
