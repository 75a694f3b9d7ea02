/** From what a hook saw to what a budget check asks. */
import type { JobRequest } from '../../domain/job';
import { estimate } from '../../domain/price';
import type { Submission } from '../../domain/slurm-submission';
import type { Instant } from '../../domain/time';
import type { CheckRequest, Cluster, PriceBook } from '../contract';
import { unitOf } from '../price-book';
import { partitionsOf } from './exemption';

/** Undefined: it names no account, and nobody can be asked for money. */
export function checkOf(
  submission: Submission,
  cluster: Cluster,
  book: PriceBook,
  at: Instant,
): CheckRequest | undefined {
  const { account, user, jobName, script, details, job } = submission;
  if (account === undefined) return undefined;
  return {
    account,
    cluster: cluster.name,
    components: [dearestOf(submission.partitions, job, cluster, book, at)],
    ...(user === undefined ? {} : { user }),
    ...(jobName === undefined ? {} : { jobName }),
    ...(script === undefined ? {} : { jobScript: script }),
    details,
    isSubmission: true,
  };
}

/** Slurm starts the job in whichever of its partitions is free first: the hold is for the one that costs most. */
export function dearestOf(
  named: readonly string[],
  job: Submission['job'],
  cluster: Cluster,
  book: PriceBook,
  at: Instant,
): JobRequest {
  const [first = '', ...others] = partitionsOf(cluster, named);
  let dearest = { ...job, partition: first };
  if (others.length === 0) return dearest;
  const unit = unitOf(cluster.name, book) ?? '';
  const costOf = (request: JobRequest) => {
    const priced = estimate(request, cluster, book.rates, unit, at);
    return priced.refusal ? -1n : priced.hold;
  };
  let most = costOf(dearest);
  for (const partition of others) {
    const request = { ...job, partition };
    const cost = costOf(request);
    if (cost > most) [dearest, most] = [request, cost];
  }
  return dearest;
}
