/** The two Temporal workers of a process: one for the stories and the ledger, one for the schedulers. */
import { NativeConnection, Worker, type WorkerOptions, type WorkflowBundleOption } from '@temporalio/worker';
import {
  faultsBecomeFailures,
  adapterTo,
  ledgerActivities,
  noticeActivities,
  recordedEventsOnly,
  schedulerActivities,
  storyActivities,
  wallActivities,
  type Mailer,
  type Scheduler,
  type SchedulerAdapter,
  type WallSettings,
} from '../activities';
import type { Ledger } from '../ledger/contract';
import type { Log } from '../platform/log';
import type { Metrics } from '../platform/metrics';
import type { Temporal } from '../platform/temporal';
import { LEDGER_QUEUE, SCHEDULER_QUEUE } from '../workflows/contracts/job-lifecycle';
import { backOffMs, makePause, type BackOff } from './back-off';

export interface StoryWorkersOptions {
  connection: NativeConnection;
  ledger: Pick<Ledger, 'jobs' | 'movements' | 'audit' | 'recovery' | 'queue' | 'refunds' | 'walls'>;
  /** For the sweep, which asks whether a story is still being told. */
  temporal: Temporal;
  metrics?: Pick<Metrics, 'restartedStories' | 'schedulerLooks' | 'adoptedJobs' | 'holdsGivenBack'>;
  workflowBundle: WorkflowBundleOption;
  /** Undefined: users are not told of their refunds. */
  mailer?: Mailer;
  /** Undefined: Slurm's own limits are left alone. */
  wall?: WallSettings;
  /** Schedulers that can be looked at, and asked about a job. */
  schedulerOf?: (cluster: string) => Scheduler | undefined;
  /** Where one can only be asked about a job. Default: those of `schedulerOf`. */
  adapterOf?: (cluster: string) => SchedulerAdapter | undefined;
  /** Ledger calls at once. Default 8, the size of the pool: more only queue inside PostgreSQL. */
  ledgerCalls?: number;
  /** Stories kept in memory between two tasks. Default 500; a story not in memory is replayed from its history. */
  cachedStories?: number;
}

export async function createStoryWorkers(options: StoryWorkersOptions): Promise<Worker[]> {
  const { connection, ledger, temporal, metrics, mailer, wall, schedulerOf, ledgerCalls = 8 } = options;
  const { adapterOf = schedulerOf ? adaptersTo(schedulerOf, ledger) : recordedEventsOnly } = options;
  const common = {
    connection,
    namespace: temporal.client.options.namespace,
    interceptors: { activity: [faultsBecomeFailures] },
    // An activity is one short call: it is let finish. Whatever hangs is tried again elsewhere when its timeout ends.
    shutdownGraceTime: '4 seconds',
    shutdownForceTime: '7 seconds',
  } as const satisfies Partial<WorkerOptions>;
  const stories = await Worker.create({
    ...common,
    taskQueue: LEDGER_QUEUE,
    workflowBundle: options.workflowBundle,
    activities: {
      ...ledgerActivities(ledger),
      ...storyActivities({ recovery: ledger.recovery, temporal, metrics }),
      ...noticeActivities({ refunds: ledger.refunds, mailer }),
    },
    maxConcurrentActivityTaskExecutions: ledgerCalls,
    maxCachedWorkflows: options.cachedStories ?? 500,
  });
  const schedulers = await Worker.create({
    ...common,
    taskQueue: SCHEDULER_QUEUE,
    activities: {
      ...schedulerActivities({
        jobs: ledger.jobs,
        adapterOf,
        looks: schedulerOf && { queue: ledger.queue, schedulerOf, metrics },
      }),
      ...wallActivities({ walls: ledger.walls, wall }),
    },
  });
  return [stories, schedulers];
}

const adaptersTo =
  (schedulerOf: (cluster: string) => Scheduler | undefined, { queue }: Pick<Ledger, 'queue'>) =>
  (cluster: string): SchedulerAdapter | undefined => {
    const scheduler = schedulerOf(cluster);
    return scheduler && adapterTo(scheduler, queue);
  };

/** Runs them until one dies or all have been shut down; the others then shut down too. */
export async function runAll(workers: Worker[]): Promise<void> {
  const ends = await Promise.allSettled(workers.map((worker) => worker.run().finally(() => shutDown(workers))));
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed) throw failed.reason;
}

export function shutDown(workers: Worker[]): void {
  for (const worker of workers) {
    if (worker.getState() === 'RUNNING') worker.shutdown();
  }
}

export interface KeptWorkersOptions extends Omit<StoryWorkersOptions, 'connection'> {
  address: string;
  log: Log;
  /** What Temporal must know before stories can be told: namespace, search attributes, the sweep's schedule. */
  prepare: () => Promise<void>;
  onReady?: () => void;
  /** While Temporal is away. Default 250 ms to 10 s. */
  backOff?: BackOff;
}

export interface KeptWorkers {
  readonly working: boolean;
  stop(): Promise<void>;
}

/** Keeps workers at work: connects when Temporal is there, and again whenever it, or they, have gone. */
export function keepWorkers(options: KeptWorkersOptions): KeptWorkers {
  const { address, log, backOff = [250, 10_000] } = options;
  const pause = makePause();
  let stopping = false;
  let failures = 0;
  let workers: Worker[] = [];

  async function work(): Promise<void> {
    const connection = await NativeConnection.connect({ address });
    try {
      await options.prepare();
      workers = await createStoryWorkers({ ...options, connection });
      if (stopping) return;
      log.info({ address }, 'workers started');
      failures = 0;
      options.onReady?.();
      await runAll(workers);
    } finally {
      workers = [];
      await connection.close();
    }
  }

  async function keep(): Promise<void> {
    while (!stopping) {
      try {
        await work();
      } catch (error) {
        if (failures === 0) log.warn({ err: error, address }, 'workers cannot work, trying again');
        if (!stopping) await pause.atMost(backOffMs(backOff, failures++));
      }
    }
  }

  const kept = keep();
  return {
    get working() {
      return workers.some((worker) => worker.getState() === 'RUNNING');
    },
    stop: async () => {
      stopping = true;
      pause.end();
      shutDown(workers);
      await kept;
    },
  };
}
