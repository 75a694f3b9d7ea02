/** Ids as the outside sees them: a kind, an underscore, a ULID. The server makes them; keys are the caller's (rulings 9). */

export type TransactionId = `txn_${string}`;
export type FundId = `fund_${string}`;

const ULID = '[0-9A-HJKMNP-TV-Z]{26}';

export const TRANSACTION_ID = new RegExp(`^txn_${ULID}$`);

export const isTransactionId = (text: string): text is TransactionId => TRANSACTION_ID.test(text);

/**
 * The workflow that follows a hold. It exists before the scheduler has given the job an id (rulings 19). A story that was
 * terminated or lost is told again as generation n, because a workflow id is used up once its run has closed.
 */
export const jobWorkflowId = (cluster: string, holdId: string, generation = 0): string =>
  `job/${cluster}/${holdId}${generation === 0 ? '' : `/g${generation}`}`;
