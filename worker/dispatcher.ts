/**
 * Carries the outbox to Temporal: starts the stories of new holds and rings those whose jobs had news.
 *
 * Guarantee: what is in the outbox is delivered at least once, and delivering it twice does no harm, so any number of
 * dispatchers may run and any of them may die at any point. An item is leased and that is committed *before* Temporal is
 * called, and it is deleted after: no transaction is ever open across a remote call.
 *
 * Stories never starve admission. At most `inFlight` calls run at once: a hundred thousand stories that waited for Temporal to
 * come back are told one after another. And while many jobs are being admitted (lease_outbox.sql says how many), a story
 * is begun only once it has waited for `patienceMs`; when that many do not come any more, all of them are, at once. Bells wait for
 * nothing. A job that is heard of before its story has begun needs no bell: the story begins with what is known by then.
 */
import {
  NamespaceNotFoundError,
  ServiceError,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  type WorkflowStartOptions,
} from '@temporalio/client';
import type { SearchAttributePair } from '@temporalio/common';
import type { Outbox, OutboxItem } from '../ledger/contract';
import type { Log } from '../platform/log';
import type { Metrics } from '../platform/metrics';
import type { Temporal } from '../platform/temporal';
import { jobWorkflowId } from '../domain/ids';
import { doorbell, LEDGER_QUEUE, searchAttributesOf, type JobLifecycle } from '../workflows/contracts/job-lifecycle';
import type { jobLifecycle } from '../workflows/job-lifecycle';
import { backOffMs, makePause, type BackOff } from './back-off';

export interface DispatcherOptions {
  outbox: Outbox;
  temporal: Temporal;
  log: Log;
  metrics?: Pick<Metrics, 'dispatched' | 'temporalReachable'>;
  /** Makes the namespace fit for stories; called when Temporal takes none. */
  prepare?: () => Promise<void>;
  /** Calls to Temporal at once. Default 8: the dev server starts as many a second with 8 as with 64 (2 cores, 220/s). */
  inFlight?: number;
  /** Items claimed at once. Default 64. */
  batch?: number;
  /** After that long another dispatcher may take over what this one claimed. Default 60 s. */
  leaseMs?: number;
  /** As long as that a story lets others be admitted before it begins. Default 10 s. */
  patienceMs?: number;
  /** How often an empty outbox is looked at. Default 150 ms. */
  pollMs?: number;
  /** While Temporal or PostgreSQL is away. Default 250 ms to 10 s. */
  backOff?: BackOff;
  /** When stories continue as new; for tests. */
  storyLimits?: JobLifecycle['limits'] | undefined;
}

export interface Dispatcher {
  /** Stops claiming, waits for the calls in flight, and gives back what was not carried yet. */
  stop(): Promise<void>;
  readonly stats: Readonly<DispatcherStats>;
}

export interface DispatcherStats {
  delivered: { start: number; ring: number };
  /** Items that Temporal would not take; each is tried again when its lease ends. */
  refused: number;
  temporalAway: boolean;
  ledgerAway: boolean;
}

/** One call to Temporal: everything the outbox has to say to one story. */
interface Delivery {
  story: OutboxItem;
  rings: boolean;
  outboxNos: bigint[];
}

type Outcome = 'delivered' | 'refused' | 'away' | 'not_tried';

export function startDispatcher(options: DispatcherOptions): Dispatcher {
  const { outbox, temporal, log, metrics, inFlight = 8, batch = 64, leaseMs = 60_000, pollMs = 150 } = options;
  const { patienceMs = 10_000, backOff = [250, 10_000] } = options;
  const { workflow } = temporal.client;
  const stats: DispatcherStats = {
    delivered: { start: 0, ring: 0 },
    refused: 0,
    temporalAway: false,
    ledgerAway: false,
  };
  const pause = makePause();
  let stopping = false;
  let failures = 0;
  /** Temporal refused something in this round or the one before: the log knows. */
  let refusing = false;
  /** Temporal took nothing in the round before: its namespace may become fit in the middle of this one. */
  let tookNothing = false;

  async function run(): Promise<void> {
    while (!stopping) {
      const carried = await round();
      if (stopping) break;
      if (carried === 'away') await pause.atMost(backOffMs(backOff, failures++));
      else failures = 0;
      if (carried === 0) await pause.atMost(pollMs);
    }
  }

  /** Claims, delivers, forgets. Returns how many items it claimed. */
  async function round(): Promise<number | 'away'> {
    let items: OutboxItem[];
    try {
      // One item is enough to find out whether Temporal is back.
      items = await outbox.claim(stats.temporalAway ? 1 : batch, leaseMs, patienceMs);
      heardFromLedger();
    } catch (error) {
      return noLedger(error);
    }
    const deliveries = gather(items);
    const outcomes = await deliverAll(deliveries);
    // One story that is refused waits until its lease ends and keeps nobody from being told. When none is taken, or none was
    // a moment ago, the fault is not theirs (a Temporal that came back empty knows no search attributes): all are tried again soon.
    if (!outcomes.includes('refused')) refusing = false;
    const noneTaken = outcomes.length > 0 && outcomes.every((outcome) => outcome === 'refused');
    const isTheirs = !noneTaken && !tookNothing;
    tookNothing = noneTaken;
    const withOutcome = (...wanted: Outcome[]) =>
      deliveries
        .filter((_, index) => wanted.includes(outcomes[index] ?? 'not_tried'))
        .flatMap((each) => each.outboxNos);
    try {
      const done = withOutcome('delivered');
      const back = withOutcome('away', 'not_tried', ...(isTheirs ? [] : (['refused'] as const)));
      if (done.length > 0) await outbox.done(done);
      if (back.length > 0) await outbox.giveBack(back);
    } catch (error) {
      return noLedger(error); // The leases end, and it is all said once more.
    }
    if (noneTaken) await prepareAgain();
    return noneTaken || outcomes.includes('away') ? 'away' : items.length;
  }

  /** `inFlight` carriers share the list; when Temporal is away they all put down what they have. */
  async function deliverAll(deliveries: Delivery[]): Promise<Outcome[]> {
    const outcomes = deliveries.map((): Outcome => 'not_tried');
    let next = 0;
    let away = false;
    const carry = async () => {
      while (next < deliveries.length && !away && !stopping) {
        const index = next++;
        const outcome = await deliver(deliveries[index] as Delivery);
        outcomes[index] = outcome;
        away ||= outcome === 'away';
      }
    };
    await Promise.all(Array.from({ length: Math.min(inFlight, deliveries.length) }, carry));
    return outcomes;
  }

  async function deliver(delivery: Delivery): Promise<Outcome> {
    const { story, rings } = delivery;
    if (isOver(delivery)) return 'delivered';
    try {
      await temporal.withDeadline(() => tell(delivery));
    } catch (error) {
      // Told before, by a dispatcher that died on its way back, or by another when a lease had ended.
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) return notDelivered(error, story);
    }
    heardFromTemporal();
    const kind = rings ? 'ring' : 'start';
    stats.delivered[kind] += 1;
    metrics?.dispatched.inc({ kind, outcome: 'delivered' });
    return 'delivered';
  }

  async function tell(delivery: Delivery): Promise<void> {
    const { story, rings } = delivery;
    if (story.kind === 'ring' && (await heardTheBell(story))) return;
    const start = startOf(story, options.storyLimits);
    if (rings) {
      // A story that has ended, or was terminated, is told again: it looks at the ledger, which has news for it.
      await workflow.signalWithStart('jobLifecycle', {
        ...start,
        signal: doorbell,
        workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      });
    } else {
      await workflow.start('jobLifecycle', { ...start, workflowIdReusePolicy: 'REJECT_DUPLICATE' });
    }
  }

  /** Most stories are being told when their bell rings, and a bell alone is the cheapest thing to send. */
  async function heardTheBell({ cluster, holdId, generation }: OutboxItem): Promise<boolean> {
    try {
      await workflow.getHandle(jobWorkflowId(cluster, holdId, generation)).signal(doorbell);
      return true;
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return false;
      throw error;
    }
  }

  async function prepareAgain(): Promise<void> {
    await options.prepare?.().catch((error: unknown) => log.warn({ err: error }, 'namespace not prepared'));
  }

  function notDelivered(error: unknown, { holdId, kind }: OutboxItem): Outcome {
    if (isRefusal(error)) {
      heardFromTemporal();
      stats.refused += 1;
      metrics?.dispatched.inc({ kind, outcome: 'refused' });
      if (!refusing) log.error({ err: error, holdId, kind }, 'story refused by Temporal');
      refusing = true;
      return 'refused';
    }
    if (!stats.temporalAway) log.warn({ err: error }, 'temporal away, stories wait in the outbox');
    stats.temporalAway = true;
    metrics?.temporalReachable.set(0);
    return 'away';
  }

  function heardFromTemporal(): void {
    if (stats.temporalAway) log.info('temporal back');
    stats.temporalAway = false;
    metrics?.temporalReachable.set(1);
  }

  function noLedger(error: unknown): 'away' {
    if (!stats.ledgerAway) log.warn({ err: error }, 'ledger away');
    stats.ledgerAway = true;
    return 'away';
  }

  function heardFromLedger(): void {
    if (stats.ledgerAway) log.info('ledger back');
    stats.ledgerAway = false;
  }

  const running = run();
  return {
    stats,
    stop: async () => {
      stopping = true;
      pause.end();
      await running;
    },
  };
}

/** Start and ring of one story go in one call, so that neither overtakes the other. */
function gather(items: OutboxItem[]): Delivery[] {
  const deliveries = new Map<string, Delivery>();
  for (const story of items) {
    const workflowId = jobWorkflowId(story.cluster, story.holdId, story.generation);
    const delivery = deliveries.get(workflowId) ?? { story, rings: false, outboxNos: [] };
    delivery.rings ||= story.kind === 'ring';
    delivery.outboxNos.push(story.outboxNo);
    deliveries.set(workflowId, delivery);
  }
  return [...deliveries.values()];
}

/** Nothing is left to be told of a hold that was released before its story began. A ring brings news of it. */
const isOver = ({ story, rings }: Delivery): boolean => story.chapter.closed && !rings;

function startOf(
  { cluster, account, holdId, generation, chapter }: OutboxItem,
  limits: JobLifecycle['limits'],
): WorkflowStartOptions<typeof jobLifecycle> {
  const beginning: JobLifecycle = { ...chapter, limits };
  return {
    workflowId: jobWorkflowId(cluster, holdId, generation),
    taskQueue: LEDGER_QUEUE,
    args: [beginning],
    typedSearchAttributes: searchAttributesOf(beginning).filter(
      (pair): pair is SearchAttributePair => pair.value !== null,
    ),
    staticSummary: `${account}: ${chapter.held} ${chapter.unit} held on ${cluster}`,
    staticDetails: [
      `- hold \`${holdId}\` (\`bursar hold show ${holdId}\`)`,
      `- account \`${account}\`, cluster \`${cluster}\``,
      ...(generation === 0 ? [] : [`- told again: generation ${generation}`]),
    ].join('\n'),
    priority: { fairnessKey: account.slice(0, 64) },
  };
}

const INVALID_ARGUMENT = 3;

/** Temporal is there, has read what it was told, and would not take it. */
const isRefusal = (error: unknown): boolean =>
  error instanceof NamespaceNotFoundError ||
  (error instanceof ServiceError && Reflect.get(error.cause ?? {}, 'code') === INVALID_ARGUMENT);
