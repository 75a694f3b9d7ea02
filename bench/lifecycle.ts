/**
 * How many jobs can live a whole life in a second, beside a bare workflow that issues the same commands?
 *
 * A life: a check over HTTP, the story started through the outbox; submitted and started told over HTTP, the story rung and
 * the ledger asked; ended told, rung, settled by the worker. The bare one: the same start, signals, activities (empty, run
 * by the driver's own process), timers, search attributes and details, on the same Temporal, told by the driver directly.
 * Each step waits until the one before it has been dealt with, as in life; so neither side can save commands by merging.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { WorkflowNotFoundError } from '@temporalio/client';
import {
  bundleWorkflowCode,
  DefaultLogger,
  type InjectedSinks,
  NativeConnection,
  Runtime,
  Worker,
} from '@temporalio/worker';
import { connectTemporal, type Temporal } from '../platform/temporal';
import { jobWorkflowId } from '../domain/ids';
import { doorbell, searchAttributesOf, type JobLifecycle } from '../workflows/contracts/job-lifecycle';
import type { bareLife, BareSinks } from './bare-life';
import { checkBody, expectBooksToBalance, nextKey, openAccounts } from './house';
import { figureOf, openClient, type Client, type Figure } from './http-load';
import { conclude, figureCells, machine, median, medianRatio, Series, table, type Mark, type Options } from './report';
import { say, withStack, type BenchDatabase } from './stack';

const ACCOUNT = 'life-';
const ACCOUNTS = 16;
const CLUSTER = 'default';
const QUEUE = 'bench-bare';
const IN_FLIGHT = [16, 64];

interface Life {
  workflowId: string;
}

/** Lives that many lives at once, that many in all. */
type Liver = (n: number) => Promise<Life>;

export const lifecycleBench = (options: Options): Promise<boolean> =>
  withStack(async (stack) => {
    const on = machine(stack.postgresVersion);
    const database = await stack.database('bench');
    await openAccounts(database, ACCOUNT, ACCOUNTS);
    const address = await stack.temporal();
    const api = await stack.api(database, address);
    await stack.worker(database, address);
    const temporal = connectTemporal({ address });
    const bare = await startBareWorker(address);

    const sides = [
      { name: 'Bursar', live: await bursarLives(database, api.url) },
      { name: 'bare workflow', live: bareLives(temporal, bare) },
    ];
    const { rounds, lives } = options.quick ? { rounds: 1, lives: 100 } : { rounds: 5, lives: 300 };
    const series = new Map<string, Series>();
    const seen = new Map<string, Life[]>();
    const slice = async (side: (typeof sides)[number], inFlight: number, count: number, keep: boolean) => {
      const { figure, lived } = await liveThrough(side.live, temporal, inFlight, count);
      if (!keep) return;
      const key = nameOf(side.name, inFlight);
      series.set(key, series.get(key) ?? new Series(key));
      series.get(key)?.add(figure);
      seen.set(side.name, [...(seen.get(side.name) ?? []), ...lived.slice(-5)]);
    };
    say('warming up …');
    for (const side of sides) await slice(side, 16, 50, false);
    for (let round = 1; round <= rounds; round++) {
      say(`round ${round} of ${rounds} …`);
      for (const inFlight of IN_FLIGHT) for (const side of sides) await slice(side, inFlight, lives, true);
    }
    const commands = await Promise.all(
      sides.map(async ({ name }) => ({ name, ...(await countsOf(temporal, seen.get(name) ?? [])) })),
    );
    await bare.stop();
    await temporal.close();
    await expectBooksToBalance(database);

    const figures = [...series.values()];
    const rows = figures.map(({ name, median: middle }) => [name, ...figureCells(middle)]);
    process.stdout.write(`\n${table(['', 'lives a second', 'p50 ms', 'p99 ms'], rows)}\n\n`);
    process.stdout.write(
      `${table(
        ['commands of a life (median)', 'history events', 'activities', 'timers', 'signals', 'upserts'],
        commands.map(({ name, events, activities, timers, signals, upserts }) =>
          [name, events, activities, timers, signals, upserts].map(String),
        ),
      )}\n`,
    );
    const perSecond = (name: string, inFlight: number) =>
      series.get(nameOf(name, inFlight))?.rounds.map((figure) => figure.perSecond) ?? [];
    const marks = IN_FLIGHT.map((inFlight): Mark => ({
      name: `lives a second, ${inFlight} in flight / bare workflow`,
      ratio: medianRatio(perSecond('Bursar', inFlight), perSecond('bare workflow', inFlight)),
      bound: 0.8,
      is: 'least',
    }));
    const cases = figures.map(({ name, median: middle, rounds: all }) => ({ name, median: middle, rounds: all }));
    return conclude('lifecycle', on, marks, { rounds, lives, cases, commands }, options);
  });

const nameOf = (side: string, inFlight: number): string => `${side}, ${inFlight} in flight`;

let lifeNumber = 0;

/** A life has been lived when its workflow has closed; that is waited for at the end, all at once. */
async function liveThrough(
  live: Liver,
  temporal: Temporal,
  inFlight: number,
  count: number,
): Promise<{ figure: Figure; lived: Life[] }> {
  const latencies: number[] = [];
  const lived: Life[] = [];
  let left = count;
  const began = performance.now();
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      while (left-- > 0) {
        const born = performance.now();
        lived.push(await live(++lifeNumber));
        latencies.push(performance.now() - born);
      }
    }),
  );
  await Promise.all(lived.slice(-inFlight).map(({ workflowId }) => resultOf(temporal, workflowId)));
  return { figure: figureOf(latencies, (performance.now() - began) / 1000), lived };
}

async function resultOf(temporal: Temporal, workflowId: string): Promise<void> {
  for (;;) {
    try {
      await temporal.client.workflow.getHandle(workflowId).result();
      return;
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
      await sleep(20);
    }
  }
}

// Bursar ---------------------------------------------------------------------------------------------------------------

/** As a scheduler would tell it, over HTTP. How far a story is, is read from the database, for all lives in one query. */
async function bursarLives(database: BenchDatabase, url: string): Promise<Liver> {
  const idle: Client[] = [];
  const ask = async (path: string, body: string): Promise<string> => {
    const client = idle.pop() ?? (await openClient(new URL(url)));
    const answer = await client.ask(path, body);
    idle.push(client);
    return answer;
  };
  const reaches = watchStories(database);
  return async (n) => {
    const check = await ask('/api/v1/budget/check', checkBody(`${ACCOUNT}${1 + (n % ACCOUNTS)}`, n, nextKey()));
    const holdId = /"transaction_id":"(txn_\w+)"/.exec(check)?.[1];
    if (holdId === undefined) throw new Error(`no hold: ${check}`);
    await reaches(holdId, 'told');
    const jobId = `${Date.now()}${n}`;
    const at = (seconds: number) => new Date(Date.now() + seconds * 1000).toISOString();
    const common = { job_id: jobId, transaction_id: holdId };
    const events = [
      { type: 'submitted', at: at(-3_700), ...common },
      { type: 'started', at: at(-3_600), ...common },
    ];
    await ask('/api/v1/jobs/events', JSON.stringify({ events }));
    await reaches(holdId, 'heard');
    const ended = { type: 'ended', at: at(0), job_id: jobId, end_state: 'COMPLETED' };
    await ask('/api/v1/jobs/events', JSON.stringify({ events: [ended] }));
    await reaches(holdId, 'closed');
    return { workflowId: jobWorkflowId(CLUSTER, holdId) };
  };
}

type Step = 'told' | 'heard' | 'closed';

function watchStories({ sql }: BenchDatabase): (holdId: string, step: Step) => Promise<void> {
  const waiting = new Map<string, { step: Step; resolve(): void; reject(error: unknown): void }>();
  let looking = false;
  const look = async (): Promise<void> => {
    while (waiting.size > 0) {
      const rows = await sql<{ holdId: string; told: boolean; heard: boolean; closed: boolean }[]>`
        select h.hold_id as "holdId", s.told_at is not null as told, s.heard_at is not null as heard,
          h.status <> 'open' as closed
        from ledger.holds h join ledger.stories s on s.hold_no = h.hold_no
        where h.hold_id = any (${[...waiting.keys()]})`;
      for (const row of rows) {
        const waiter = waiting.get(row.holdId);
        if (!waiter || !row[waiter.step]) continue;
        waiting.delete(row.holdId);
        waiter.resolve();
      }
      await sleep(50);
    }
  };
  return (holdId, step) =>
    new Promise((resolve, reject) => {
      waiting.set(holdId, { step, resolve, reject });
      if (looking) return;
      looking = true;
      void look()
        .catch((error: unknown) => waiting.forEach((waiter) => waiter.reject(error)))
        .finally(() => (looking = false));
    });
}

// The bare workflow ----------------------------------------------------------------------------------------------------

interface BareWorker {
  /** Resolves when the story waits for its first bell. */
  whenItWaits(holdId: string): Promise<void>;
  /** Resolves when the empty activity of this step has run. */
  whenAsked(holdId: string, step: number): Promise<void>;
  stop(): Promise<void>;
}

async function startBareWorker(address: string): Promise<BareWorker> {
  const logger = new DefaultLogger('ERROR');
  Runtime.install({ logger, telemetryOptions: { logging: { filter: 'ERROR', forward: {} } } });
  const connection = await NativeConnection.connect({ address });
  const waiting = new Map<string, () => void>();
  const reached = (moment: string) => {
    waiting.get(moment)?.();
    waiting.delete(moment);
  };
  const when = (moment: string) => new Promise<void>((resolve) => waiting.set(moment, resolve));
  const sinks: InjectedSinks<BareSinks> = { bench: { waits: { fn: (_info, holdId) => reached(`${holdId} waits`) } } };
  const worker = await Worker.create({
    connection,
    taskQueue: QUEUE,
    workflowBundle: await bundleWorkflowCode({ workflowsPath: require.resolve('./bare-life'), logger }),
    activities: {
      nothing: ({ holdId, step }: { holdId: string; step: number }): Promise<void> =>
        Promise.resolve(reached(`${holdId} ${step}`)),
    },
    sinks,
    // As our own worker has it.
    maxConcurrentActivityTaskExecutions: 8,
    maxCachedWorkflows: 500,
  });
  const running = worker.run();
  return {
    whenItWaits: (holdId) => when(`${holdId} waits`),
    whenAsked: (holdId, step) => when(`${holdId} ${step}`),
    async stop() {
      worker.shutdown();
      await running;
      await connection.close();
    },
  };
}

function bareLives(temporal: Temporal, { whenItWaits, whenAsked }: BareWorker): Liver {
  const { workflow } = temporal.client;
  return async (n) => {
    const holdId = `txn_${nextKey()}`;
    const account = `${ACCOUNT}${1 + (n % ACCOUNTS)}`;
    const jobId = `${Date.now()}${n}`;
    const hour = 3_600_000;
    const common = { holdId, cluster: CLUSTER, account, unit: 'USD' };
    const pending: JobLifecycle = {
      ...common,
      state: 'pending',
      waitsFor: 'the job to start',
      deadlineMs: Date.now() + 24 * hour,
      held: '39.36',
      charged: '0',
    };
    const running: JobLifecycle = {
      ...pending,
      jobId,
      state: 'running',
      waitsFor: 'the job to end',
      deadlineMs: Date.now() + 4 * hour,
    };
    const settled: JobLifecycle = {
      ...common,
      jobId,
      state: 'settled',
      waitsFor: 'nothing',
      held: '0',
      charged: '8.2',
    };
    const [waits, first, second] = [whenItWaits(holdId), whenAsked(holdId, 0), whenAsked(holdId, 1)];
    const workflowId = `bare/${CLUSTER}/${holdId}`;
    const handle = await workflow.start<typeof bareLife>('bareLife', {
      workflowId,
      taskQueue: QUEUE,
      args: [{ chapters: [pending, running, settled], waitMs: hour }],
      typedSearchAttributes: searchAttributesOf(pending).flatMap(({ key, value }) =>
        value === null ? [] : [{ key, value } as never],
      ),
      staticSummary: `${account}: ${pending.held} USD held on ${CLUSTER}`,
      staticDetails: `- hold \`${holdId}\` (\`bursar hold show ${holdId}\`)\n- account \`${account}\`, cluster \`${CLUSTER}\``,
      priority: { fairnessKey: account },
      workflowIdReusePolicy: 'REJECT_DUPLICATE',
    });
    await waits;
    await handle.signal(doorbell);
    await first;
    await handle.signal(doorbell);
    await second;
    return { workflowId };
  };
}

// What it took ---------------------------------------------------------------------------------------------------------

async function countsOf(temporal: Temporal, lives: Life[]) {
  const counts = await Promise.all(
    lives.map(async ({ workflowId }) => {
      const { events } = await temporal.client.workflow.getHandle(workflowId).fetchHistory();
      const like = (has: (event: NonNullable<typeof events>[number]) => unknown) =>
        events?.filter((event) => Boolean(has(event))).length ?? 0;
      return {
        events: events?.length ?? 0,
        activities: like((event) => event.activityTaskScheduledEventAttributes),
        timers: like((event) => event.timerStartedEventAttributes),
        signals: like((event) => event.workflowExecutionSignaledEventAttributes),
        upserts: like((event) => event.upsertWorkflowSearchAttributesEventAttributes),
      };
    }),
  );
  const middle = (pick: (count: (typeof counts)[number]) => number) => median(counts.map(pick));
  return {
    events: middle(({ events }) => events),
    activities: middle(({ activities }) => activities),
    timers: middle(({ timers }) => timers),
    signals: middle(({ signals }) => signals),
    upserts: middle(({ upserts }) => upserts),
  };
}
