/**
 * A submission: exempt, or decided as any budget check is. What cannot be asked about (no account, one that Bursar does not
 * know, facts that mean nothing) is a no like others, for whoever reads it is a user at his terminal.
 */
import { Fault } from '../../domain/faults';
import { ZERO } from '../../domain/money';
import { readSubmission, type RawFacts, type Submission } from '../../domain/slurm-submission';
import { estimate } from '../../domain/price';
import { instantOfMs, type Instant } from '../../domain/time';
import type { Sql } from '../../platform/postgres';
import type { Admission, Caller, Decision, PriceBook, Slurm, SlurmEstimate, SubmissionAnswer } from '../contract';
import { unitOf, type NumberedCluster, type PriceBooks } from '../price-book';
import { clusterAsOfNow, clusterNamed } from './cluster';
import { exemptionOf, type Exemption } from './exemption';
import { noteSubmission } from './notes';
import { checkOf, dearestOf } from './request';

export interface SubmissionsDeps {
  sql: Sql;
  prices: PriceBooks;
  admission: Admission;
  defaultCluster: string;
}

/** Why nothing could be asked, as a user should read it. */
export interface Unasked {
  code: 'malformed_request' | 'account_missing' | 'account_not_found';
  reason: string;
}

export function openSubmissions(deps: SubmissionsDeps): Pick<Slurm, 'submit' | 'estimate'> {
  const { sql, prices, admission, defaultCluster } = deps;

  /** From memory; before anything is let in without being asked about, memory is compared with the database. */
  async function exempted(name: string, submission: Submission): Promise<Exemption | undefined> {
    const { cluster } = await clusterNamed(prices, name);
    if (exemptionOf(cluster, submission) === undefined) return undefined;
    return exemptionOf((await clusterAsOfNow(prices, name)).cluster, submission);
  }

  return {
    async submit({ cluster: name = defaultCluster, key, facts, askedAt, spares }, caller) {
      const { cluster, book } = await clusterNamed(prices, name);
      const submission = submissionOf(facts);
      if ('code' in submission) return refuse(cluster, key, submission, undefined, caller);

      const exemption = await exempted(name, submission);
      if (exemption) return exempt(cluster, key, exemption, submission, caller);

      const check = checkOf(submission, cluster, book, instantOfMs(Date.now()));
      if (!check) return refuse(cluster, key, withoutAccount(cluster), submission, caller);
      if (askedAt !== undefined) check.details = { ...check.details, asked_at: askedAt };
      try {
        return answerOf(await admission.check(check, { ...caller, key }, spares));
      } catch (error) {
        if (!(error instanceof Fault && error.code === 'account_not_found')) throw error;
        return refuse(cluster, key, unknownAccount(check.account), submission, caller);
      }
    },

    async estimate({ cluster: name = defaultCluster, facts }) {
      const { cluster, book } = await clusterNamed(prices, name);
      const submission = submissionOf(facts);
      if ('code' in submission) return { message: submission.reason, cost: ZERO, fits: false };
      const exemption = exemptionOf(cluster, submission);
      if (exemption && exemption.code !== 'exempt_without_account') {
        return { message: exemption.reason, cost: ZERO, fits: true };
      }
      const at = instantOfMs(Date.now());
      const check = checkOf(submission, cluster, book, at);
      if (!check) return priceOf(submission, cluster, book, at);
      try {
        return estimateOf(await admission.estimate(check));
      } catch (error) {
        if (!(error instanceof Fault && error.code === 'account_not_found')) throw error;
        return { message: unknownAccount(check.account).reason, cost: ZERO, fits: false };
      }
    },
  };

  async function refuse(
    cluster: NumberedCluster,
    key: string,
    { code, reason }: Unasked,
    submission: Submission | undefined,
    caller: Caller,
  ): Promise<SubmissionAnswer> {
    const isShadow = cluster.enforcement === 'shadow';
    const admitted = isShadow ? 'shadow' : 'denied';
    const isNews = await noteSubmission(
      sql,
      cluster,
      { key, admitted, code, reason, ...(submission && { submission }) },
      caller,
    );
    return {
      accept: isShadow,
      code,
      message: reason,
      mode: cluster.enforcement,
      wouldDeny: true,
      estimatedCost: ZERO,
      holdAmount: ZERO,
      replayed: !isNews,
    };
  }

  async function exempt(
    cluster: NumberedCluster,
    key: string,
    { code, reason }: Exemption,
    submission: Submission,
    caller: Caller,
  ): Promise<SubmissionAnswer> {
    const isNews = await noteSubmission(sql, cluster, { key, admitted: 'exempt', code, reason, submission }, caller);
    return {
      accept: true,
      code,
      message: reason,
      mode: cluster.enforcement,
      wouldDeny: false,
      exempt: reason,
      estimatedCost: ZERO,
      holdAmount: ZERO,
      replayed: !isNews,
    };
  }
}

/** The submission, or why it is none. */
export function submissionOf(facts: RawFacts): Submission | Unasked {
  try {
    return readSubmission(facts);
  } catch (error) {
    if (!(error instanceof Fault && error.code === 'malformed_request')) throw error;
    return { code: 'malformed_request', reason: `What the job asks for cannot be priced: ${error.message}.` };
  }
}

export const withoutAccount = ({ name }: NumberedCluster): Unasked => ({
  code: 'account_missing',
  reason: `The job names no account, and ${name} runs no jobs without one; name yours with --account.`,
});

export const unknownAccount = (account: string): Unasked => ({
  code: 'account_not_found',
  reason: `There is no budget for account "${account}"; name another with --account, or ask whoever keeps the budgets for one.`,
});

/** In shadow mode a no is recorded, and the hook is told to let the job in. */
export function answerOf(decision: Decision): SubmissionAnswer {
  const {
    available,
    mode = 'enforce',
    code,
    message,
    holdId,
    estimatedCost,
    holdAmount,
    unit,
    replayed,
    spares,
  } = decision;
  return {
    accept: available || mode === 'shadow',
    code,
    message,
    mode,
    wouldDeny: !available,
    ...(holdId === undefined ? {} : { holdId }),
    estimatedCost,
    holdAmount,
    unit,
    replayed,
    ...(spares === undefined ? {} : { spares }),
  };
}

/** sbatch names no account where its user has a default one: only the controller knows who pays, or whether nobody does. */
function priceOf(
  { partitions, job }: Submission,
  cluster: NumberedCluster,
  book: PriceBook,
  at: Instant,
): SlurmEstimate {
  const unit = unitOf(cluster.name, book);
  const priced = estimate(dearestOf(partitions, job, cluster, book, at), cluster, book.rates, unit ?? '', at);
  const { estimated: cost, lines, refusal } = priced;
  if (unit === undefined)
    return { message: 'The price is known once you name an account, with --account.', cost: ZERO, fits: false };
  if (refusal) return { message: refusal.detail, cost, unit, fits: false };
  const price = lines.find((line) => line.startsWith('= '))?.slice(2) ?? '';
  return {
    message: `Up to ${price}, for your default account; name one with --account to see whether it fits.`,
    cost,
    unit,
    fits: false,
  };
}

/** What a stranger may know: the price, and whether it fits. A refusal's own words name limits and balances. */
function estimateOf({ available, code, estimatedCost: cost, unit, message, estimate }: Decision): SlurmEstimate {
  if (code === 'time_limit_missing' || code === 'unpriced') return { message, cost, unit, fits: false };
  // Behind it may stand what costs nothing.
  const price = estimate.lines.find((line) => line.startsWith('= '))?.slice(2) ?? '';
  return {
    message: `Up to ${price}; ${available ? 'the budget covers it' : 'more than the budget allows now'}.`,
    cost,
    unit,
    fits: available,
  };
}
