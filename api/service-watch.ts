/**
 * How the services beside Bursar are: looked at now and then, so that /health knows without waiting for anybody. Nothing else
 * hangs on it; whether the advisor is asked is its breaker's decision.
 */
import type { ServiceSettings } from '../platform/config/integration';
import type { Log } from '../platform/log';
import { below, exchange, whyNot } from './advisor/exchange';

export const SERVICES = ['advisor', 'asbx', 'asba'] as const;
export type ServiceName = (typeof SERVICES)[number];

export interface WatchedService extends Omit<ServiceSettings, 'enabled' | 'apiKey'> {
  headers: Readonly<Record<string, string>>;
}

export interface ServiceWatchDeps {
  /** Those that are configured. */
  services: Partial<Record<ServiceName, WatchedService>>;
  everyMs: number;
  /** Looks in a row that fail before a service that was healthy is said not to be. */
  failuresMax: number;
  log: Log;
}

export interface ServiceWatch {
  /** A word on each: `not_configured`, `unknown`, `healthy`, or `unhealthy: ` and why. */
  states(): Record<ServiceName, string>;
  /** Looks at all of them once; also for tests. */
  look(): Promise<void>;
  start(): void;
  stop(): void;
}

const LOOK_MS_MAX = 5_000;
const BYTES_MAX = 65_536;

export function watchServices({ services, everyMs, failuresMax, log }: ServiceWatchDeps): ServiceWatch {
  const states = new Map<ServiceName, string>();
  const failures = new Map<ServiceName, number>();
  const stopped = new AbortController();
  let timer: NodeJS.Timeout | undefined;

  function note(name: ServiceName, trouble: string | undefined): void {
    const before = states.get(name);
    const count = trouble === undefined ? 0 : (failures.get(name) ?? 0) + 1;
    failures.set(name, count);
    if (trouble === undefined) states.set(name, 'healthy');
    else if (before !== 'healthy' || count >= failuresMax) states.set(name, `unhealthy: ${trouble}`);
    const now = states.get(name);
    if (now === before || now === undefined) return;
    if (now === 'healthy') log.info({ service: name }, 'service healthy');
    else if (before === undefined || before === 'healthy') log.warn({ service: name, trouble }, 'service not healthy');
  }

  async function lookAt(name: ServiceName, { url, timeoutMs, headers }: WatchedService): Promise<void> {
    const patience = AbortSignal.timeout(Math.min(timeoutMs, LOOK_MS_MAX));
    const signal = AbortSignal.any([patience, stopped.signal]);
    try {
      const { status } = await exchange(below(url, '/health'), { method: 'GET', headers, signal, bytesMax: BYTES_MAX });
      note(name, status === 200 ? undefined : `it answered with HTTP ${status}`);
    } catch (error) {
      if (stopped.signal.aborted) return;
      note(name, patience.aborted ? 'no answer in time' : whyNot(error));
    }
  }

  const look = async () => {
    await Promise.all(SERVICES.flatMap((name) => (services[name] ? [lookAt(name, services[name])] : [])));
  };

  const watch = () => {
    void look().then(() => {
      if (stopped.signal.aborted) return;
      timer = setTimeout(watch, everyMs);
      timer.unref();
    });
  };

  return {
    states: () => {
      const stateOf = (name: ServiceName) => (services[name] ? (states.get(name) ?? 'unknown') : 'not_configured');
      return { advisor: stateOf('advisor'), asbx: stateOf('asbx'), asba: stateOf('asba') };
    },
    look,
    start: watch,
    stop: () => {
      stopped.abort();
      clearTimeout(timer);
    },
  };
}

/** ASBB's word for it (contract 10.2): nobody beside us, all of them there, or one of them away and we do without. */
export type OperationalMode = 'standalone' | 'integrated' | 'fallback';

export function operationalMode(
  states: Readonly<Record<ServiceName, string>>,
  advisorIsTrusted: boolean,
): OperationalMode {
  const configured = SERVICES.filter((name) => states[name] !== 'not_configured');
  if (configured.length === 0) return 'standalone';
  const areThere = configured.every((name) => !states[name].startsWith('unhealthy'));
  return areThere && advisorIsTrusted ? 'integrated' : 'fallback';
}
