/**
 * The advisor: somebody outside who may know better what a job costs, and whom nobody waits for longer than was agreed.
 *
 * Every question ends in time, whatever the other side does: hang, trickle, lie, die. It owns the deadline, the cache, the
 * breaker and how many questions are under way; what its silence means is not its business (domain/advice.ts).
 */
import {
  bulkhead,
  circuitBreaker,
  CircuitState,
  ConsecutiveBreaker,
  BrokenCircuitError,
  BulkheadRejectedError,
  handleWhen,
} from 'cockatiel';
import { LRUCache } from 'lru-cache';
import { setTimeout as pause } from 'node:timers/promises';
import type { Advice, AdvicePolicy, AdvisedCost } from '../../domain/advice';
import { given } from '../../domain/given';
import { parseAmount } from '../../domain/money';
import type { Advisor, AdvisorQuestion } from '../../ledger/contract';
import type { AdvisorSettings } from '../../platform/config/integration';
import type { Log } from '../../platform/log';
import type { Metrics } from '../../platform/metrics';
import { below, exchange, keptConnections, TooLong, whyNot } from './exchange';
import { bodyOf, headersOf, priceKeyOf } from './question';
import { ANSWER_BYTES_MAX, readAnswer } from './read-answer';
import { Silent } from './silent';

export interface AdvisorDeps {
  log: Log;
  metrics: Pick<Metrics, 'advisorRequests' | 'advisorSeconds' | 'advisorBreakerOpen'>;
  /** How long an advisor that failed is left alone. Default ten seconds. */
  restMs?: number;
}

export interface OpenAdvisor extends Advisor {
  /** Would it be asked? */
  isTrusted(): boolean;
  close(): void;
}

/** Questions under way, and those that wait for their turn. */
const AT_ONCE_MAX = 32;
const WAITING_MAX = 1_024;
/** Prices that are remembered: a few megabytes. */
const REMEMBERED_MAX = 10_000;
const FAILURES_IN_A_ROW = 5;

export function openAdvisor(
  settings: AdvisorSettings & { url: string },
  { log, metrics, restMs = 10_000 }: AdvisorDeps,
): OpenAdvisor {
  const address = below(settings.url, '/api/v1/analyze');
  const headers = headersOf(settings);
  const agent = keptConnections(settings.url, AT_ONCE_MAX);
  const remembered =
    settings.cacheMs === undefined
      ? undefined
      : new LRUCache<string, AdvisedCost>({ max: REMEMBERED_MAX, ttl: settings.cacheMs });
  /** Jobs of one kind that are submitted at once ask once. */
  const underWay = new Map<string, Promise<Advice>>();

  const turns = bulkhead(AT_ONCE_MAX, WAITING_MAX);
  const breaker = circuitBreaker(handleWhen(isIll), {
    halfOpenAfter: restMs,
    breaker: new ConsecutiveBreaker(FAILURES_IN_A_ROW),
  });
  metrics.advisorBreakerOpen.set(0);
  breaker.onStateChange((state) => metrics.advisorBreakerOpen.set(state === CircuitState.Closed ? 0 : 1));
  breaker.onBreak(() => log.warn({ url: settings.url, restMs }, 'advisor left alone'));
  breaker.onReset(() => log.info({ url: settings.url }, 'advisor asked again'));

  /** One attempt. Rejects with `Silent`. */
  async function askOnce(question: AdvisorQuestion, signal: AbortSignal): Promise<AdvisedCost> {
    const body = bodyOf(question, Date.now());
    const length = { 'Content-Length': String(Buffer.byteLength(body)) };
    const sent = { method: 'POST' as const, headers: { ...headers, ...length }, body, signal, agent };
    const { status, body: answer } = await exchange(address, { ...sent, bytesMax: ANSWER_BYTES_MAX }).catch(
      (error: unknown) => {
        if (signal.aborted) throw new Silent('timeout', 'did not answer in time');
        if (error instanceof TooLong) {
          throw new Silent('bad_answer', `did not make sense: its answer is longer than ${ANSWER_BYTES_MAX} bytes`);
        }
        throw new Silent('unreachable', `cannot be reached (${whyNot(error)})`, { cause: error });
      },
    );
    if (status !== 200) throw new BadStatus(status);
    return readAnswer(answer);
  }

  /** As often as was configured, and as the time allows. */
  async function askPatiently(question: AdvisorQuestion, signal: AbortSignal, deadline: number): Promise<AdvisedCost> {
    for (let left = settings.retries; ; left--) {
      try {
        return await askOnce(question, signal);
      } catch (error) {
        const isInTime = performance.now() + settings.retryDelayMs < deadline;
        if (left === 0 || !isWorthRepeating(error) || !isInTime) throw error;
        await pause(settings.retryDelayMs, undefined, { signal }).catch(() => {
          throw new Silent('timeout', 'did not answer in time');
        });
      }
    }
  }

  async function askGuarded(question: AdvisorQuestion, signal: AbortSignal, deadline: number): Promise<AdvisedCost> {
    const ask = () => askPatiently(question, signal, deadline);
    if (!settings.hasBreaker) return ask();
    // Whether it is well again is found out with one question, and the others do not wait for that.
    if (breaker.state === CircuitState.HalfOpen) throw leftAlone();
    return breaker.execute(ask);
  }

  async function ask(question: AdvisorQuestion, patienceMs: number): Promise<Advice> {
    const out = new AbortController();
    const startedAt = performance.now();
    let hasTurn = false;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(
          hasTurn
            ? new Silent('timeout', `did not answer within ${patienceMs} ms`)
            : new Silent('busy', tooMany(patienceMs)),
        );
        out.abort();
      }, patienceMs);
    });
    const answer = turns.execute(() => {
      const deadline = startedAt + patienceMs;
      // With hardly any time left it would be asked for nothing, and blamed for it.
      if (performance.now() > deadline - patienceMs / 10) throw new Silent('busy', tooMany(patienceMs));
      hasTurn = true;
      return askGuarded(question, out.signal, deadline);
    });
    try {
      const cost = await Promise.race([late, answer]);
      metrics.advisorSeconds.observe((performance.now() - startedAt) / 1000);
      return { outcome: 'answered', ...cost };
    } catch (error) {
      const silent = silenceOf(error);
      if (silent.outcome !== 'breaker_open' && silent.outcome !== 'busy') {
        metrics.advisorSeconds.observe((performance.now() - startedAt) / 1000);
        log.debug({ err: error, outcome: silent.outcome }, 'advisor silent');
      }
      return silent;
    } finally {
      clearTimeout(timer);
    }
  }

  async function askOrRemember(question: AdvisorQuestion, patienceMs: number): Promise<Advice> {
    if (!remembered) return ask(question, patienceMs);
    const key = priceKeyOf(question);
    const known = remembered.get(key);
    if (known) return { outcome: 'cached', ...known };
    // Only with those who have no more patience: who joins a question is answered when it is.
    const way = `${patienceMs} ${key}`;
    const joined = underWay.get(way);
    if (joined) return joined;
    const asked = ask(question, patienceMs).then((advice) => {
      if (advice.outcome === 'answered') {
        const { outcome: _, ...cost } = advice;
        remembered.set(key, cost);
      }
      return advice;
    });
    underWay.set(way, asked);
    return asked.finally(() => underWay.delete(way));
  }

  return {
    policy: policyOf(settings),
    isTrusted: () => !settings.hasBreaker || breaker.state === CircuitState.Closed,
    close: () => agent.destroy(),
    async advise(question, waiting) {
      const advice: Advice =
        question.unit === settings.unit
          ? await askOrRemember(question, waiting === 'check' ? settings.submitTimeoutMs : settings.timeoutMs)
          : { outcome: 'not_asked', detail: `was not asked, for it counts in ${settings.unit}` };
      metrics.advisorRequests.inc({ result: advice.outcome });
      return advice;
    },
  };
}

const policyOf = ({ failureMode, fallback, fallbackRate }: AdvisorSettings): AdvicePolicy => ({
  failureMode,
  fallbackRate: parseAmount(fallbackRate),
  ...given({ fallback }),
});

class BadStatus extends Silent {
  constructor(readonly status: number) {
    super('bad_status', `answered with HTTP ${status}`);
  }
}

const tooMany = (ms?: number) =>
  `was not asked${ms === undefined ? '' : ` within ${ms} ms`}, for too many questions wait`;

const leftAlone = () => new Silent('breaker_open', 'was not asked, for it failed several times in a row');

/** That it cannot tell what one job costs says nothing of how it is. */
const isIll = (error: Error): boolean =>
  !(error instanceof Silent && error.outcome === 'error') &&
  !(error instanceof BadStatus && error.status >= 400 && error.status < 500 && error.status !== 429);

const isWorthRepeating = (error: unknown): boolean =>
  error instanceof BadStatus
    ? error.status >= 500 || error.status === 429
    : error instanceof Silent && error.outcome === 'unreachable';

function silenceOf(error: unknown): Extract<Advice, { detail: string }> {
  const silent =
    error instanceof Silent
      ? error
      : error instanceof BrokenCircuitError
        ? leftAlone()
        : error instanceof BulkheadRejectedError
          ? new Silent('busy', tooMany())
          : new Silent('bad_answer', 'did not make sense');
  return { outcome: silent.outcome, detail: silent.message };
}
