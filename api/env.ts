/** What every request carries, and what the API is made of. */
import type { Caller, Ledger } from '../ledger/contract';
import type { Log } from '../platform/log';
import type { Metrics } from '../platform/metrics';

export interface ApiEnv {
  Variables: { requestId: string };
}

/** What an operation has read from its request. */
export interface Input<Path, Query, Body> {
  path: Path;
  query: Query;
  body: Body;
  /** Who asks, with his idempotency key and the hash of what he asks. */
  caller: Caller;
}

export interface ApiDeps {
  ledger: Ledger;
  log: Log;
  metrics: Metrics;
  /** The cluster of events that name none. */
  defaultCluster: string;
  /** Zone of accounts that name none. */
  timeZone: string;
  temporal: TemporalDeps;
  /** The address this API listens on; a request for another name is refused (rulings 29). Default 127.0.0.1. */
  host?: string;
  /** A request that takes longer is answered 503. Default 8000. */
  deadlineMs?: number;
  /** True once the process has begun to end: readiness turns false first. */
  isEnding?: () => boolean;
}

/** What the API needs of Temporal, and can do without. */
export interface TemporalDeps {
  namespace: string;
  uiUrl?: string;
  /** False where it does not answer; undefined where none is configured. */
  isReachable?: () => Promise<boolean>;
  /** Puts lost stories back into the outbox and names their holds. Undefined where no Temporal is configured. */
  restartStrays?: (limit: number) => Promise<string[]>;
}
