/** How submissions were admitted that no decision tells of (ledger.submissions). */
import type { Micro } from '../../domain/money';
import type { AdmissionKind } from '../../domain/policy';
import type { Submission } from '../../domain/slurm-submission';
import type { Instant } from '../../domain/time';
import type { Sql } from '../../platform/postgres';
import type { Caller } from '../contract';
import { ask } from '../errors';
import type { NumberedCluster } from '../price-book';

export interface SubmissionNote {
  key: string;
  /** Or not: denied and closed are among them. */
  admitted: AdmissionKind;
  code: string;
  reason: string;
  cost?: Micro;
  /** What would have been held; as much as the cost unless said. */
  held?: Micro;
  /** Undefined: now. */
  at?: Instant;
  /** Of a change. */
  jobId?: string;
  /** As far as it could be read. */
  submission?: Pick<Submission, 'account' | 'user' | 'partitions' | 'jobName'>;
}

/** Once a key. Returns whether it was news. */
export async function noteSubmission(
  sql: Sql,
  { clusterNo }: NumberedCluster,
  { submission, cost, held, jobId, ...note }: SubmissionNote,
  { principal }: Caller,
): Promise<boolean> {
  const row = {
    ...note,
    cluster_no: clusterNo,
    principal,
    account: submission?.account,
    user: submission?.user,
    partition: submission?.partitions.join(',') || undefined,
    job_name: submission?.jobName,
    cost_micro: cost?.toString(),
    held_micro: held?.toString(),
    job_id: jobId,
  };
  const [answer] = await ask(
    () => sql<{ isNews: boolean }[]>`select ledger.note_submission(${JSON.stringify(row)}::text::jsonb) as "isNews"`,
  );
  return answer?.isNews ?? false;
}
