/**
 * Replays a log through the public API, in the order in which it happened: a check when a job was submitted, then what
 * became of it as events, in batches. Times are the log's own; only the waiting in between is left out or shortened.
 *
 * The engine settles behind the replay, in its own time. A job is therefore not asked for while money that its account
 * would have had back by then is still on its way: otherwise the replay's haste would deny jobs that the log's pace would not.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseAmount } from '../../domain/money';
import { renderDuration } from '../../domain/slurm-time';
import { instantOfMicros } from '../../domain/time';
import type { LoggedJob } from '../../domain/sacct-jobs';
import type { Client } from '../client';
import { EXIT, Stop } from '../exit';
import type { CheckBody, Decision, EventBody, EventReceipts } from '../wire';
import { tresOf } from './log';
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
  /** Tell of a submission together with what comes next, for half as many bells. */
  lateSubmissions: boolean;
  /** Milliseconds to wait before an occurrence, by the log's microseconds since the one before. */
  pauseMs: (gapMicros: bigint) => number;
  onDecision: (followed: Followed, decision: Decision) => void;
  onEvent: (followed: Followed, event: LoggedJob['events'][number]) => void;
}

const SETTLES_WITHIN_MS = 15_000;
const MOST_UNSETTLED = 400;

export class Replay {
  private batch: Occurrence[] = [];
  /** What each account surely has: as last read, less what was held since. */
  private readonly free = new Map<string, bigint>();

  constructor(private readonly options: ReplayOptions) {}

  async run(): Promise<void> {
    const { plan, tally, watch, interrupted, batch, pauseMs } = this.options;
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
      if (occurrence.what === 'submit') await this.prepare(occurrence.job);
      this.batch.push(occurrence);
      if (this.batch.length >= batch) await this.flush();
      if (tally.ended.size > MOST_UNSETTLED) {
        await watch.settled({ atMost: MOST_UNSETTLED / 2, withinMs: SETTLES_WITHIN_MS });
      }
    }
    await this.flush();
  }

  /** Makes sure that the account has back by now what it would have had back then. */
  private async prepare(job: LoggedJob): Promise<void> {
    const needed = this.options.plan.holds.get(job.number) ?? 0n;
    const capped = this.isCapped(job);
    if (capped || this.freeOf(job) < needed) {
      await this.flush();
      await this.readFree(job.account);
      if (capped || this.freeOf(job) < needed) {
        await this.options.watch.settled({ account: job.account, withinMs: SETTLES_WITHIN_MS });
        await this.readFree(job.account);
      }
    }
    this.free.set(job.account, this.freeOf(job) - needed);
  }

  private freeOf(job: LoggedJob): bigint {
    return this.free.get(job.account) ?? 0n;
  }

  private async readFree(account: string): Promise<void> {
    const { watch, setup, client } = this.options;
    const balance = await watch.readBalance(client, setup.nameOf(account));
    this.free.set(account, parseAmount(String(balance.available)));
  }

  /** What a cap has left is not followed here, so its jobs always wait. */
  private isCapped(job: LoggedJob): boolean {
    const account = this.options.plan.accounts.find(({ name }) => name === job.account);
    return account?.cap !== undefined && job.components.some(({ partition }) => partition === account.cap?.partition);
  }

  private async flush(): Promise<void> {
    const batch = this.batch;
    this.batch = [];
    await Promise.all(batch.filter(({ what }) => what === 'submit').map(({ job }) => this.check(job)));

    // A job that was denied has not run, whatever the log says of it.
    const told = batch.filter(({ job }) => this.options.tally.of(job).holdId !== undefined);
    const events = told.flatMap((occurrence) => this.bodiesOf(occurrence));
    if (events.length > 0) await this.options.client.post<EventReceipts>('/api/v1/jobs/events', { events });
    for (const occurrence of batch) this.follow(occurrence);
  }

  private bodiesOf(occurrence: Occurrence): EventBody[] {
    const { job } = occurrence;
    if (occurrence.what === 'submit') {
      const waits = this.options.lateSubmissions && job.events.length > 0;
      return waits ? [] : [this.submission(job)];
    }
    const isFirst = this.options.lateSubmissions && job.events[0] === occurrence.event;
    return [...(isFirst ? [this.submission(job)] : []), this.eventBody(occurrence)];
  }

  private keyOf(job: LoggedJob): string {
    const { setup } = this.options;
    return `demo-${setup.nameOf(job.cluster)}-${job.jobId}-${job.submittedAt}`;
  }

  private async check(job: LoggedJob): Promise<void> {
    const { client, setup, tally } = this.options;
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
    if (decision.available && decision.transaction_id === undefined) {
      throw new Stop(EXIT.failure, `The server allowed job ${job.jobId} without a hold.`);
    }
    const followed = tally.of(job);
    followed.decision = decision;
    if (decision.transaction_id !== undefined) followed.holdId = decision.transaction_id;
  }

  private submission(job: LoggedJob): EventBody {
    return {
      type: 'submitted',
      cluster: this.options.setup.nameOf(job.cluster),
      job_id: job.jobId,
      at: job.submittedAt,
      submitted_at: job.submittedAt,
      transaction_id: this.options.tally.of(job).holdId,
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

  private follow(occurrence: Occurrence): void {
    const { tally, onDecision, onEvent } = this.options;
    const followed = tally.of(occurrence.job);
    if (occurrence.what === 'submit') {
      if (!followed.decision) return;
      tally.move(followed, followed.decision.available ? 'pending' : 'denied');
      onDecision(followed, followed.decision);
      return;
    }
    if (followed.standing === 'denied') return;
    if (isLastOf(occurrence)) tally.move(followed, 'ended');
    else if (occurrence.event.type === 'started') tally.move(followed, 'running');
    else if (occurrence.event.type === 'requeued') tally.move(followed, 'pending');
    onEvent(followed, occurrence.event);
  }
}
