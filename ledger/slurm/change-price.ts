/** What a changed job may cost, beside what it might before. */
import { isDeepStrictEqual } from 'node:util';
import type { JobRequest } from '../../domain/job';
import { mostMicro, toMicro, type Micro } from '../../domain/money';
import { estimate } from '../../domain/price';
import type { Submission } from '../../domain/slurm-submission';
import { readStrand } from '../../domain/tasks';
import type { LedgerFacts } from '../story-facts';
import type { Asked, JobHold } from './changed-job';

export const isSamePrice = (before: Submission, after: Submission): boolean =>
  before.account === after.account &&
  before.user === after.user &&
  isDeepStrictEqual(before.partitions, after.partitions) &&
  isDeepStrictEqual(before.job, after.job);

/**
 * What the hold must hold from now on, never less than it does: the new price of every run that is still to come or to end; of
 * one array task, the difference that it makes. With the estimate of what is changed. A sentence where the changed job has no price.
 */
export function needOf(
  job: JobRequest,
  { holdId }: JobHold,
  facts: LedgerFacts,
  asked: Asked,
): { held: Micro; amount: Micro; isMore: boolean; cost: Micro } | string {
  const { cluster, book, now, before, task } = asked;
  const index = facts.holds.findIndex((hold) => hold.holdId === holdId);
  const hold = facts.holds[index];
  if (!hold) throw new Error(`hold ${holdId} is not in its own story`);
  const { unit, holdMultiplier } = facts.account;
  const own = holdMultiplier === undefined ? {} : { holdMultiplier };
  const price = (request: JobRequest, arrayTasks: number) =>
    estimate({ ...request, arrayTasks }, cluster, book.rates, unit, now, own);
  const tasks = task === '' ? Math.max(readStrand(facts.holds, facts.events, index).unfinished, 1) : 1;
  const [was, is] = [price({ ...before.job, partition: job.partition }, tasks), price(job, tasks)];
  if (is.refusal) return is.refusal.detail;
  const amount = task === '' ? is.hold : toMicro(hold.held + is.hold - was.hold);
  return { held: hold.held, amount: mostMicro(amount, hold.held), isMore: is.hold > was.hold, cost: is.estimated };
}
