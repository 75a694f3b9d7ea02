/** Keys about the services beside Bursar: the advisor that knows what jobs cost, ASBX and ASBA. */
import { z } from 'zod';
import { ADVISOR_FALLBACKS, FAILURE_MODES } from '../../domain/policy';
import type { Key } from './key';
import { count, duration, durationMs, TRUTH, truth, url } from './values';

/** Of another service. What it is asked is appended, and who asks is said apart. */
const base = url(['http:', 'https:']).refine((text) => {
  if (!URL.canParse(text)) return false;
  const { username, password, search, hash } = new URL(text);
  return [username, password, search, hash].every((part) => part === '');
});
const BASE = 'an address such as http://127.0.0.1:8081, without a user, a password or a query';

const OURS = /^(host|connection|content-length|transfer-encoding|keep-alive|upgrade|expect|te|trailer)$/i;

const headers = z
  .string()
  .transform((text, context) => {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      context.addIssue({ code: 'custom' });
      return z.NEVER;
    }
  })
  .pipe(
    z
      .record(z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/), z.union([z.string(), z.number(), z.boolean()]))
      .transform((all) => Object.fromEntries(Object.entries(all).map(([name, value]) => [name, String(value)])))
      .refine((all) =>
        Object.entries(all).every(([name, value]) => !OURS.test(name) && /^[\t\x20-\x7e]*$/.test(value)),
      ),
  );

const token = z.string().regex(/^[\x21-\x7e]{1,4096}$/);
const TOKEN = 'the key that it gave you, on one line';

const aside = { otherwise: 'none', secret: true } as const;

export const INTEGRATION_KEYS = {
  'advisor.url': {
    schema: base,
    expects: BASE,
    meaning: 'An advisor, asked what a job costs before its money is held: POST <url>/api/v1/analyze.',
    otherwise: 'nobody is asked',
  },
  'advisor.api_key': {
    schema: token,
    expects: TOKEN,
    meaning: 'Sent to the advisor as Authorization: Bearer.',
    ...aside,
  },
  'advisor.headers': {
    schema: headers,
    expects:
      'a group of header names with their values, in the environment as JSON like {"X-Site": "hpc"}; headers of the connection itself are not yours to set',
    meaning: 'Headers of every question to the advisor; they replace ours.',
    names: true,
    ...aside,
  },
  'advisor.unit': {
    schema: z.string().regex(/^[^\s\p{C}]{1,32}$/u),
    expects: 'a currency or service unit without spaces, such as USD',
    meaning: 'What the advisor counts in. It is asked only about accounts of this unit.',
    default: 'USD',
  },
  'advisor.submit_timeout': {
    schema: durationMs('1ms', '5s'),
    expects: duration('1ms to 5s'),
    meaning:
      'How long a budget check waits for the advisor, retries included; at most half of service.write_timeout. After that the decision is made without it.',
    default: '250ms',
  },
  'advisor.timeout': {
    schema: durationMs('1ms', '5m'),
    expects: duration('1ms to 5m'),
    meaning:
      'How long an estimate waits for the advisor, where nobody submits anything, and a look at its health; at most half of service.write_timeout.',
    default: '2s',
  },
  'advisor.retry_attempts': {
    schema: count(0, 10),
    expects: 'how often, 0 to 10',
    meaning: 'How often a question that failed is repeated, as far as the time allows.',
    default: '3',
  },
  'advisor.retry_delay': {
    schema: durationMs('0s', '1m'),
    expects: duration('0s to 1m'),
    meaning: 'How long before it is repeated.',
    default: '1s',
  },
  'advisor.cache_enabled': {
    schema: truth,
    expects: TRUTH,
    meaning: 'Answers of the advisor are kept in memory, for jobs that differ in nothing that it is told but the time.',
    default: 'true',
  },
  'advisor.cache_ttl': {
    schema: durationMs('1s', '24h'),
    expects: duration('1s to 24h'),
    meaning: 'How long they are kept.',
    default: '5m',
  },
  'integration.advisor_enabled': {
    schema: truth,
    expects: TRUTH,
    meaning: 'false: the advisor is not asked, although advisor.url names one.',
    default: 'true',
  },
  'integration.failure_mode': {
    schema: z.enum(FAILURE_MODES),
    expects: 'STRICT, GRACEFUL or PERMISSIVE',
    meaning:
      "When the advisor has no answer, STRICT refuses the job, GRACEFUL prices it by the cluster's own rates, PERMISSIVE does the same and admits what has no price.",
    default: 'GRACEFUL',
  },
  'integration.advisor_fallback': {
    schema: z.enum(ADVISOR_FALLBACKS),
    expects: 'SIMPLE, STATIC or NONE',
    meaning:
      "What then estimates on clusters without rates: ASBB's formulas SIMPLE (CPUs, GPUs, memory) or STATIC (nodes x CPUs), or NONE, which refuses.",
    otherwise: "the cluster's price preset, as without an advisor",
  },
  'integration.fallback_cost_rate': {
    schema: z.string().regex(/^\d{1,6}(\.\d{1,6})?$/),
    expects: "a price with at most six decimals, in the account's unit",
    meaning: 'Price of a CPU-hour in SIMPLE and STATIC.',
    default: '0.10',
  },
  'integration.circuit_breaker_enabled': {
    schema: truth,
    expects: TRUTH,
    meaning: 'An advisor that failed five times in a row is left alone for ten seconds.',
    default: 'true',
  },
  'integration.health_check_interval': {
    schema: durationMs('1s', '24h'),
    expects: duration('1s to 24h'),
    meaning: 'How often the health of advisor, ASBX and ASBA is looked at, for /health.',
    default: '60s',
  },
  'integration.retry_attempts': {
    schema: count(1, 100),
    expects: 'how often, 1 to 100',
    meaning: 'How many looks in a row must fail before a service that was healthy is said not to be.',
    default: '3',
  },
  ...ofService('asbx', 'ASBX', 'http://localhost:8082'),
  'integration.asbx_api_key': {
    schema: token,
    expects: TOKEN,
    meaning: 'Sent to ASBX as Authorization: Bearer.',
    ...aside,
  },
  ...ofService('asba', 'ASBA', 'http://localhost:8083'),
} as const satisfies Record<string, Key<unknown>>;

function ofService<Name extends 'asbx' | 'asba'>(name: Name, title: string, endpoint: string) {
  const keys = {
    enabled: { schema: truth, expects: TRUTH, meaning: `/health says how ${title} is.`, default: 'false' },
    endpoint: { schema: base, expects: BASE, meaning: `Where ${title} is.`, default: endpoint },
    timeout: {
      schema: durationMs('1ms', '5m'),
      expects: duration('1ms to 5m'),
      meaning: `How long a look at the health of ${title} may take.`,
      default: '30s',
    },
  } as const;
  return {
    [`integration.${name}_enabled`]: keys.enabled,
    [`integration.${name}_endpoint`]: keys.endpoint,
    [`integration.${name}_timeout`]: keys.timeout,
  } as {
    [Key in keyof typeof keys as `integration.${Name}_${Key}`]: (typeof keys)[Key];
  };
}
