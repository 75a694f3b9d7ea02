/**
 * The sentence that a user reads when a job may not start, and the facts behind it. Pure: both are made from what the
 * ledger stored with the refusal, so the same question with the same key is answered in the same words years later.
 */
import type { FaultCode, Facts } from './faults';
import { leastMicro, mostMicro, renderAmount, toMicro, ZERO, type Micro } from './money';
import { renderDuration } from './slurm-time';

/** What ledger.judge_hold writes down when it says no, and what pricing hands to it. Amounts are millionths as text. */
export type Refusal =
  | { code: 'account_archived'; archived_at: string }
  | { code: 'account_inactive'; status: string }
  | { code: 'account_not_started'; starts_at: string }
  | { code: 'account_expired'; ends_at: string }
  | {
      code: 'parent_inactive';
      parent: string;
      reason: 'archived' | 'inactive' | 'suspended' | 'not_started' | 'expired';
      starts_at: string;
      ends_at: string;
    }
  | { code: 'time_limit_missing' | 'unpriced' | 'advisor_unavailable'; detail: string }
  | LimitRefusal;

interface LimitRefusal {
  code: 'insufficient_budget' | 'partition_limit_exceeded' | 'user_limit_exceeded' | 'parent_limit_exceeded';
  limit: string;
  settled: string;
  held: string;
  /** What this request adds to this limit. */
  requested: string;
  short_by: string;
  /** What is left below the limit; negative where it was exceeded already. */
  headroom: string;
  /** The most that every limit would let this request hold. */
  affordable: string;
  overdraft_limit?: string;
  partition?: string;
  user?: string;
  parent?: string;
  next_money_at?: string;
  next_money?: string;
}

/** What was asked for, as far as the sentence needs it. */
export interface Asked {
  account: string;
  unit: string;
  /** All that would have been held. */
  holdAmount: Micro;
  /** What it would have been without the cluster's cap on holds: a job half as long still costs half of this. */
  uncappedHold: Micro;
  /** Of the one component; undefined for heterogeneous jobs, which nobody can shorten by one number. */
  job?: { wallSeconds: number; nodes: number; tasks: number };
}

export interface RenderedRefusal {
  code: FaultCode;
  /** The whole sentence; begins with ASBB's words where ASBB has some. */
  message: string;
  /** Amounts are decimal strings of the account's unit. */
  explanation: Facts;
}

export function renderRefusal(refusal: Refusal, asked: Asked): RenderedRefusal {
  const { code } = refusal;
  const said = (message: string, facts: Facts): RenderedRefusal => ({
    code,
    message,
    explanation: { code, account: asked.account, ...facts },
  });
  const notActive = `Account '${asked.account}' is not active`;
  switch (refusal.code) {
    case 'account_archived':
      return said(`${notActive}: it was archived on ${showTime(refusal.archived_at)}.`, {
        archived_at: instantOf(refusal.archived_at),
      });
    case 'account_inactive':
      return said(`${notActive}: its status is ${refusal.status}.`, { status: refusal.status });
    case 'account_not_started':
      return said(`${notActive}: it starts on ${showTime(refusal.starts_at)}.`, {
        starts_at: instantOf(refusal.starts_at),
      });
    case 'account_expired':
      return said(`Account '${asked.account}' has ended: its last moment was ${showTime(refusal.ends_at)}.`, {
        ends_at: instantOf(refusal.ends_at),
      });
    case 'parent_inactive':
      return said(`${notActive}: its parent '${refusal.parent}' ${parentIs(refusal)}.`, {
        parent: refusal.parent,
        reason: refusal.reason,
      });
    case 'time_limit_missing':
      return said(`No finite time limit: ${refusal.detail}`, { reason: refusal.detail });
    case 'unpriced':
      return said(`No price: ${refusal.detail}`, { reason: refusal.detail });
    case 'advisor_unavailable':
      return said(`Advisor unavailable: ${refusal.detail}`, { reason: refusal.detail });
    default:
      return said(limitSentence(refusal, asked), limitFacts(refusal, asked));
  }
}

function parentIs({ reason, starts_at, ends_at }: Extract<Refusal, { code: 'parent_inactive' }>): string {
  switch (reason) {
    case 'not_started':
      return `starts on ${showTime(starts_at)}`;
    case 'expired':
      return `ended on ${showTime(ends_at)}`;
    default:
      return `is ${reason}`;
  }
}

function limitSentence(refusal: LimitRefusal, asked: Asked): string {
  const amount = (micro: string) => `${renderAmount(BigInt(micro))} ${asked.unit}`;
  const left = mostMicro(ZERO, toMicro(BigInt(refusal.headroom)));
  const used = `${amount(refusal.settled)} is settled and ${amount(refusal.held)} held of ${amount(refusal.limit)}`;
  const needs = `this job needs ${amount(refusal.requested)}, ${amount(refusal.short_by)} more than is left`;
  const sentences = [`${openingOf(refusal, asked)} ${amount(left.toString())} is left (${used}); ${needs}.`];
  if (refusal.overdraft_limit !== undefined) {
    sentences.push(`The overdraft of ${amount(refusal.overdraft_limit)} is counted in.`);
  }
  if (refusal.next_money_at !== undefined && refusal.next_money !== undefined) {
    sentences.push(`The next ${amount(refusal.next_money)} comes on ${showTime(refusal.next_money_at)}.`);
  }
  const fits = whatFits(refusal, asked);
  const timeLimit = wholeMinutes(fits.wall_seconds);
  const ways = [
    timeLimit === undefined ? undefined : `--time=${renderDuration(timeLimit)}`,
    fits.nodes === undefined ? undefined : plural(fits.nodes, 'node'),
    fits.tasks === undefined ? undefined : plural(fits.tasks, 'array task'),
  ].filter((way) => way !== undefined);
  if (ways.length > 0) sentences.push(`What would fit now: ${ways.join(', or ')}.`);
  return sentences.join(' ');
}

function openingOf(refusal: LimitRefusal, { account }: Asked): string {
  switch (refusal.code) {
    case 'insufficient_budget':
      return `Insufficient budget: in account '${account}'`;
    case 'partition_limit_exceeded':
      return `Partition limit exceeded: in partition '${refusal.partition}' of account '${account}'`;
    case 'user_limit_exceeded':
      return refusal.partition === undefined
        ? `User limit exceeded: for user '${refusal.user}' in account '${account}'`
        : `User limit exceeded: for user '${refusal.user}' in partition '${refusal.partition}' of account '${account}'`;
    case 'parent_limit_exceeded':
      return refusal.parent === account
        ? `Parent account limit exceeded: in account '${account}' and everything below it`
        : `Parent account limit exceeded: in account '${refusal.parent}' and everything below it, '${account}' included,`;
  }
}

const LIMIT_NAMES = {
  insufficient_budget: 'budget',
  partition_limit_exceeded: 'partition',
  user_limit_exceeded: 'user',
  parent_limit_exceeded: 'parent',
} as const;

function limitFacts(refusal: LimitRefusal, asked: Asked): Facts {
  const decimal = (micro: string) => renderAmount(BigInt(micro));
  return {
    unit: asked.unit,
    limit_name: LIMIT_NAMES[refusal.code],
    ...(refusal.partition === undefined ? {} : { partition: refusal.partition }),
    ...(refusal.user === undefined ? {} : { user: refusal.user }),
    ...(refusal.parent === undefined ? {} : { parent: refusal.parent }),
    limit: decimal(refusal.limit),
    used: decimal(refusal.settled),
    held: decimal(refusal.held),
    ...(refusal.overdraft_limit === undefined ? {} : { overdraft_limit: decimal(refusal.overdraft_limit) }),
    requested: decimal(refusal.requested),
    short_by: decimal(refusal.short_by),
    affordable: decimal(refusal.affordable),
    next_money_at: refusal.next_money_at === undefined ? null : instantOf(refusal.next_money_at),
    next_money: refusal.next_money === undefined ? null : decimal(refusal.next_money),
    fits: whatFits(refusal, asked),
  };
}

interface Fits {
  wall_seconds?: number;
  nodes?: number;
  tasks?: number;
}

/** The same job shorter, or on fewer nodes, or as fewer array tasks: one of them, by proportion, rounded down. */
function whatFits(refusal: LimitRefusal, { holdAmount, uncappedHold, job }: Asked): Fits {
  if (job === undefined || holdAmount <= 0n) return {};
  const affordable = leastMicro(toMicro(BigInt(refusal.affordable)), holdAmount);
  const share = (count: number) => Number((BigInt(Math.trunc(count)) * affordable) / uncappedHold);
  const [wall, nodes, tasks] = [share(job.wallSeconds), share(job.nodes), share(job.tasks)];
  return {
    ...(wall >= 1 ? { wall_seconds: wall } : {}),
    ...(job.nodes > 1 && nodes >= 1 ? { nodes } : {}),
    ...(job.tasks > 1 && tasks >= 1 ? { tasks } : {}),
  };
}

/** Slurm rounds a time limit up to the minute: whoever asked for the exact seconds that fit would be refused again. */
function wholeMinutes(seconds = 0): number | undefined {
  return seconds < 60 ? undefined : seconds - (seconds % 60);
}

const plural = (count: number, noun: string) => `${count} ${noun}${count === 1 ? '' : 's'}`;

/** PostgreSQL's JSON writes UTC as +00:00. */
const instantOf = (text: string) => text.replace(/\+00:00$/, 'Z');

const showTime = (text: string) =>
  instantOf(text).replace(/^(\d{4,}-\d\d-\d\d)T(\d\d:\d\d)(:\d\d)?(?:\.\d+)?Z$/, (_, date: string, minute: string) => {
    return `${date} ${minute} UTC`;
  });
