/** What every request carries, and what the API is made of. */
import type { HttpBindings } from '@hono/node-server';
import type { Thresholds } from '../domain/asbx';
import type { Caller, Ledger } from '../ledger/contract';
import type { Log } from '../platform/log';
import type { Metrics } from '../platform/metrics';
import type { RateLimits } from '../platform/config/exposure';
import type { BudgetRules } from './budget-rules';
import type { Access } from './access';
import type { Neighbours } from './neighbours';
import type { Tokens } from './token';
import type { LookReport, QueueLook } from '../workflows/contracts/queue-look';

export interface ApiEnv {
  /** The connection; absent where somebody asks without one. */
  Bindings: Partial<HttpBindings>;
  Variables: {
    requestId: string;
    /** Who sent this. `unauthenticated`. */
    identify: () => Promise<Access>;
    /** What came of it, once an operation has asked. */
    access: Access;
    /** The body as it was received, its numbers as their numerals; only where there is one. */
    received?: unknown;
  };
}

/** What an operation has read from its request. */
export interface Input<Path, Query, Body> {
  path: Path;
  query: Query;
  body: Body;
  /** Who asks, with his idempotency key and the hash of what he asks. */
  caller: Caller;
}

export interface AsbxSettings {
  /** Folders on this machine in which an epilog may name a report. */
  spoolDirectories: readonly string[];
  /** What holds where a report does not say. */
  autoReconcile: boolean;
  updateCostModel: boolean;
  thresholds: Thresholds;
}

export interface ApiDeps {
  ledger: Ledger;
  log: Log;
  metrics: Metrics;
  /** The cluster of events that name none. */
  defaultCluster: string;
  /** Zone of accounts that name none. */
  timeZone: string;
  /** What the site says of the budgets of accounts (budget.*). Default: nothing. */
  budgets?: BudgetRules;
  temporal: TemporalDeps;
  /** The services beside Bursar; undefined: none. */
  neighbours?: Pick<Neighbours, 'states' | 'mode'>;
  /** The address this API listens on; a request for another name is refused (rulings 29). Default 127.0.0.1. */
  host?: string;
  /** Where the metrics are served; false: nowhere. Default /metrics. */
  metricsPath?: string | false;
  /** Names under which it is called from elsewhere (service.host_names). */
  hostNames?: readonly string[];
  /** The token of this machine's own command (platform/own-token.ts). */
  ownToken?: () => string | undefined;
  /** Tokens that are taken beside keys, and whether nobody gets in without either (auth.*). */
  auth?: { tokens?: Tokens; isRequired: boolean };
  /** Pages of these may ask, with a key (service.cors_origins). Default: none. */
  origins?: readonly string[];
  /** Proxies whose X-Forwarded-For is believed. Default: none. */
  trustedProxies?: readonly string[];
  /** Default: none. */
  rateLimits?: RateLimits;
  /** Is it served over HTTPS? */
  isTls?: boolean;
  /** A request that takes longer is answered 503. Default `DEADLINE_MS`. */
  deadlineMs?: number;
  /** What is done with the reports of ASBX. */
  asbx?: AsbxSettings;
  /** True once the process has begun to end: readiness turns false first. */
  isEnding?: () => boolean;
}

export interface Recovered {
  /** The holds whose stories are in the outbox again. */
  restarted: string[];
  /** Stories that were told something else than the ledger knows, and look at it again. */
  rung: number;
  lookedAt: number;
  /** The last hold that was looked at, where there are more. */
  next?: string;
}

/** What the API needs of Temporal, and can do without. */
export interface TemporalDeps {
  namespace: string;
  uiUrl?: string;
  /** False where it does not answer; undefined where none is configured. */
  isReachable?: () => Promise<boolean>;
  /** Puts late stories that were lost back into the outbox, and counts them. Undefined where no Temporal is configured. */
  restartStrays?: () => Promise<number>;
  /** Looks at so many open holds, late or not, from the one behind `after` on, and restarts the stories that were lost. */
  recover?: (limit: number, after?: string) => Promise<Recovered>;
  /** Has a worker look at a scheduler, and waits as long as a request may; without a report it goes on. */
  look?: (look: QueueLook) => Promise<{ workflowId: string; report?: LookReport }>;
}
