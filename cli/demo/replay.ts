/**
 * Replays a log through the public API, in the order in which it happened: a check when a job was submitted, then what
 * became of it as events, in batches. Times are the log's own; only the waiting in between is left out or shortened.
 *
 * The engine settles behind the replay, in its own time. A job is therefore not asked for while money that its account
 * would have had back by then is still on its way: otherwise the replay's haste would deny jobs that the log's pace would not.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseAmount } from '../../domain/money';
import { renderDuration } from '../../domain/slurm';
import { instantOfMicros } from '../../domain/time';
import type { Client } from '../client';
import { EXIT, Stop } from '../exit';
import type { CheckBody, Decision, EventBody, EventReceipts } from '../wire';
import { tresOf, type LoggedJob } from './log';
import type { Plan } from './plan';
import type { Setup } from './setup';
import type { Followed, Tally } from './tally';
import { isLastOf, timelineOf, type Occurrence } from './timeline';
import type { Watch } from './watch';

export interface ReplayOptions {
  client: Client;
  plan: Plan;
  setup: Setup;
  tally: Tally;
  watch: Watch;
  interrupted: AbortSignal;
  /** How many occurrences are handled at once. */
  batch: number;
  /** Milliseconds to wait before an occurrence, by the log's microseconds since the one before. */
  pauseMs: (gapMicros: bigint) => number;
  onDecision: (followed: Followed, decision: Decision) => void;
  onEvent: (followed: Followed, event: LoggedJob['events'][number]) => void;
}

const SETTLES_WITHIN_MS = 15_000;
const MOST_UNSETTLED = 400;

export class Replay {
  private checks: LoggedJob[] = [];
  private events: Extract<Occurrence, { what: 'event' }>[] = [];
  /** What each account surely has: as last read, less what was held since. */
  private readonly free = new Map<string, bigint>();

  constructor(private readonly options: ReplayOptions) {}

  async run(): Promise<void> {
    const { plan, tally, interrupted, batch, pauseMs } = this.options;
    for (const { name, budget } of plan.accounts) this.free.set(name, parseAmount(budget));
    let before: bigint | undefined;
    for (const occurrence of timelineOf([...tally.jobs.values()].map(({ job }) => job))) {
      if (interrupted.aborted) return;
      const waitMs = before === undefined ? 0 : pauseMs(occurrence.at - before);
      before = occurrence.at;
      if (waitMs > 0) {
        await this.flush();
        await sleep(waitMs, undefined, { signal: interrupted }).catch(() => undefined);
      }
      tally.clock = instantOfMicros(occurrence.at);
      if (occurrence.what === 'submit') await this.submit(occurrence.job);
      else this.events.push(occurrence);
      if (this.checks.length + this.events.length >= batch) await this.flush();
      if (tally.count('ended') > MOST_UNSETTLED) await this.letSettle(undefined);
    }
    await this.flush();
  }

  private async submit(job: LoggedJob): Promise<void> {
    const needed = this.options.plan.holds.get(job.number);
    const left = this.free.get(job.account) ?? 0n;
    if ((needed !== undefined && left < needed) || this.isCapped(job)) {
      await this.flush();
      await this.letSettle(job.account);
    }
    if (needed !== undefined) this.free.set(job.account, (this.free.get(job.account) ?? 0n) - needed);
    this.checks.push(job);
  }

  /** What a cap has left is not followed here, so its jobs always wait. */
  private isCapped(job: LoggedJob): boolean {
    const account = this.options.plan.accounts.find(({ name }) => name === job.account);
    return account?.cap !== undefined && job.components.some(({ partition }) => partition === account.cap?.partition);
  }

  /** Waits for the money that is on its way back. */
  private async letSettle(account: string | undefined): Promise<void> {
    const { watch, setup } = this.options;
    await watch.settled({ ...(account === undefined ? {} : { account }), withinMs: SETTLES_WITHIN_MS });
    await watch.look();
    for (const name of account === undefined ? this.free.keys() : [account]) {
      const balance = watch.balances.get(setup.nameOf(name));
      if (balance) this.free.set(name, parseAmount(String(balance.available)));
    }
  }

  private async flush(): Promise<void> {
    const [checks, events] = [this.checks, this.events];
    [this.checks, this.events] = [[], []];
    await Promise.all(checks.map((job) => this.check(job)));

    const admitted = checks.map((job) => this.options.tally.of(job)).filter(({ holdId }) => holdId !== undefined);
    const told = events.filter(({ job }) => this.options.tally.of(job).holdId !== undefined);
    const bodies = [
      ...admitted.map((followed) => this.submission(followed)),
      ...told.map((occurrence) => this.eventBody(occurrence)),
    ];
    if (bodies.length > 0) {
      await this.options.client.post<EventReceipts>('/api/v1/jobs/events', { events: bodies });
    }
    for (const occurrence of told) this.follow(occurrence);
  }

  private keyOf(job: LoggedJob): string {
    const { setup } = this.options;
    return `demo-${setup.nameOf(job.cluster)}-${job.jobId}-${job.submittedAt}`;
  }

  private async check(job: LoggedJob): Promise<void> {
    const { client, setup, tally, onDecision } = this.options;
    const components = job.components.map(({ partition, resources, wallSeconds, unlimited }) => ({
      partition,
      tres: tresOf(resources),
      wall_time: unlimited ? 'UNLIMITED' : wallSeconds === undefined ? 'NOT_SET' : renderDuration(wallSeconds),
    }));
    const body: CheckBody = {
      account: setup.nameOf(job.account),
      cluster: setup.nameOf(job.cluster),
      ...(components.length === 1 ? components[0] : { components }),
      user_id: job.user,
      job_id: job.jobId,
      job_name: job.name,
      at: job.submittedAt,
      ...(job.arrayTasks > 1 ? { array_tasks: job.arrayTasks } : {}),
    };
    const decision = await client.post<Decision>('/api/v1/budget/check', body, this.keyOf(job));
    const followed = tally.of(job);
    followed.decision = decision;
    if (decision.available && decision.transaction_id === undefined) {
      throw new Stop(EXIT.failure, `The server allowed job ${job.jobId} without a hold.`);
    }
    if (decision.transaction_id !== undefined) followed.holdId = decision.transaction_id;
    tally.move(followed, decision.available ? 'pending' : 'denied');
    onDecision(followed, decision);
  }

  private submission({ job, holdId }: Followed): EventBody {
    return {
      type: 'submitted',
      cluster: this.options.setup.nameOf(job.cluster),
      job_id: job.jobId,
      at: job.submittedAt,
      submitted_at: job.submittedAt,
      transaction_id: holdId,
      ...this.whose(job),
    };
  }

  private whose(job: LoggedJob) {
    return {
      account: this.options.setup.nameOf(job.account),
      ...(job.user === undefined ? {} : { user_id: job.user }),
      ...(job.name === undefined ? {} : { job_name: job.name }),
      partition: job.components[0]?.partition,
    };
  }

  private eventBody({ job, event }: Extract<Occurrence, { what: 'event' }>): EventBody {
    return {
      type: event.type,
      cluster: this.options.setup.nameOf(job.cluster),
      job_id: job.jobId,
      at: event.at,
      submitted_at: job.submittedAt,
      started_at: event.startedAt,
      task: event.task,
      transaction_id: this.options.tally.of(job).holdId,
      ...this.whose(job),
      partition: event.partition,
      end_state: event.endState,
      exit_code: event.exitCode,
      tres: tresOf(event.resources),
      suspended_seconds: event.suspendedSeconds,
    };
  }

  private follow(occurrence: Extract<Occurrence, { what: 'event' }>): void {
    const { tally, onEvent } = this.options;
    const followed = tally.of(occurrence.job);
    if (isLastOf(occurrence)) tally.move(followed, 'ended');
    else if (occurrence.event.type === 'started') tally.move(followed, 'running');
    else if (occurrence.event.type === 'requeued') tally.move(followed, 'pending');
    onEvent(followed, occurrence.event);
  }
}
