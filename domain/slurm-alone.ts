/** What a hook decided alone while the service was away, as it has written it down: of a submission, or of a change of a job. */
import { malformed } from './faults';
import { given } from './given';
import { requiredAt } from './slurm-records';
import { readStamp } from './slurm-stamp';
import { countOf, textOf, type RawFacts } from './slurm-submission';
import { instantOfSeconds, type Instant } from './time';

export const ALONE = ['open', 'open_to_limit', 'closed', 'exempt'] as const;

/** What a hook made of a submission while the service was away. */
export interface LoneDecision {
  key: string;
  at: Instant;
  outcome: (typeof ALONE)[number];
  /** As the hook priced it. */
  cost?: string;
  why?: string;
  job: RawFacts;
}

/** The same of `scontrol update`. The key is one that a hold which has to be a new one would have. */
export interface LoneChange extends LoneDecision {
  /** As the controller numbers it; `arrayOrJobId` is how the ledger does. */
  jobId: string;
  arrayOrJobId: string;
  submittedAt?: Instant;
  /** The key that the job is stamped with. */
  stamp?: string;
  changes: RawFacts;
}

export function readLoneDecision(raw: RawFacts): LoneDecision {
  const key = textOf(raw.key);
  if (key === undefined || readStamp(`bursar:${key}`) !== key) {
    throw malformed('key: is required, the key that the hook made (8 to 128 letters, digits, "_" or "-")');
  }
  const outcome = ALONE.find((word) => word === raw.outcome);
  if (outcome === undefined) throw malformed(`outcome: must be one of ${ALONE.join(', ')}`);
  return {
    key,
    at: requiredAt(raw),
    outcome,
    ...given({ cost: textOf(raw.cost), why: textOf(raw.why) }),
    job: factsOf(raw, 'job'),
  };
}

export function readLoneChange(raw: RawFacts): LoneChange {
  const decision = readLoneDecision(raw);
  const jobId = countOf(raw.job_id);
  if (jobId === undefined) throw malformed('job_id: is required, a whole number');
  const submitted = countOf(decision.job.submit_time);
  return {
    ...decision,
    jobId: String(jobId),
    arrayOrJobId: String(countOf(decision.job.array_job_id) ?? jobId),
    changes: factsOf(raw, 'changes'),
    ...given({
      submittedAt: submitted === undefined ? undefined : instantOfSeconds(submitted),
      stamp: readStamp(textOf(raw.stamp) ?? ''),
    }),
  };
}

function factsOf(raw: RawFacts, name: 'job' | 'changes'): RawFacts {
  const facts = raw[name];
  if (typeof facts !== 'object' || facts === null || Array.isArray(facts))
    throw malformed(`${name}: is required, an object`);
  return { ...facts };
}
