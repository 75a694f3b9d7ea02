/** The services beside Bursar, as the configuration knows them. */
import { given } from '../../domain/given';
import type { AdvisorFallback, FailureMode } from '../../domain/policy';
import type { Values } from './keys';

export interface AdvisorSettings {
  /** Undefined: there is none. */
  url?: string;
  enabled: boolean;
  apiKey?: string;
  headers: Readonly<Record<string, string>>;
  unit: string;
  /** How long a check waits. */
  submitTimeoutMs: number;
  /** How long everything else waits. */
  timeoutMs: number;
  retries: number;
  retryDelayMs: number;
  /** Undefined: nothing is kept. */
  cacheMs?: number;
  hasBreaker: boolean;
  failureMode: FailureMode;
  fallback?: AdvisorFallback;
  /** Decimal, per CPU-hour. */
  fallbackRate: string;
}

export interface ServiceSettings {
  enabled: boolean;
  url: string;
  timeoutMs: number;
  apiKey?: string;
}

export interface Integration {
  advisor: AdvisorSettings;
  asbx: ServiceSettings;
  asba: ServiceSettings;
  lookEveryMs: number;
  /** Looks in a row that fail before a service is said to be away. */
  failuresMax: number;
}

export function integrationOf(values: Values): Integration {
  // Whoever asked has to be answered in time, so waiting for somebody else may take half of it.
  const atMost = (ms: number) => Math.min(ms, Math.floor(values['service.write_timeout'] / 2));
  return Object.freeze({
    advisor: Object.freeze({
      enabled: values['integration.advisor_enabled'],
      headers: values['advisor.headers'] ?? {},
      unit: values['advisor.unit'],
      submitTimeoutMs: atMost(values['advisor.submit_timeout']),
      timeoutMs: atMost(values['advisor.timeout']),
      retries: values['advisor.retry_attempts'],
      retryDelayMs: values['advisor.retry_delay'],
      hasBreaker: values['integration.circuit_breaker_enabled'],
      failureMode: values['integration.failure_mode'],
      fallbackRate: values['integration.fallback_cost_rate'],
      ...given({
        url: values['advisor.url'],
        apiKey: values['advisor.api_key'],
        cacheMs: values['advisor.cache_enabled'] ? values['advisor.cache_ttl'] : undefined,
        fallback: values['integration.advisor_fallback'],
      }),
    }),
    asbx: Object.freeze({
      enabled: values['integration.asbx_enabled'],
      url: values['integration.asbx_endpoint'],
      timeoutMs: values['integration.asbx_timeout'],
      ...given({ apiKey: values['integration.asbx_api_key'] }),
    }),
    asba: Object.freeze({
      enabled: values['integration.asba_enabled'],
      url: values['integration.asba_endpoint'],
      timeoutMs: values['integration.asba_timeout'],
    }),
    lookEveryMs: values['integration.health_check_interval'],
    failuresMax: values['integration.retry_attempts'],
  });
}

/** As it may be printed. */
export const withoutKeys = ({ advisor, asbx, ...others }: Integration) => ({
  ...others,
  advisor: {
    ...advisor,
    ...(advisor.apiKey !== undefined && { apiKey: '***' }),
    headers: Object.fromEntries(Object.keys(advisor.headers).map((name) => [name, '***'])),
  },
  asbx: { ...asbx, ...(asbx.apiKey !== undefined && { apiKey: '***' }) },
});
