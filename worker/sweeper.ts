/**
 * The sweep by a clock of our own. Temporal's schedule starts the ordinary one, and is lost with a Temporal that comes
 * back empty, or not at all; so each worker also makes the schedule again now and then, and sweeps what can be swept.
 */
import { restartStrays, sealBacklog } from '../activities';
import type { Ledger } from '../ledger/contract';
import type { Log } from '../platform/log';
import type { Metrics } from '../platform/metrics';
import type { Temporal } from '../platform/temporal';
import { makePause } from './back-off';

export interface SweeperOptions {
  ledger: Pick<Ledger, 'movements' | 'audit' | 'recovery'>;
  temporal: Temporal;
  /** Namespace, search attributes, schedule: everything that Temporal may have forgotten. */
  prepare: () => Promise<void>;
  log: Log;
  metrics?: Pick<Metrics, 'restartedStories'>;
  /** Default 5 minutes. */
  everyMs?: number;
}

export interface Sweeper {
  stop(): Promise<void>;
}

export function startSweeper({ ledger, temporal, prepare, log, metrics, everyMs = 300_000 }: SweeperOptions): Sweeper {
  const pause = makePause();
  let stopping = false;

  /** One after another and each by itself: that Temporal is away keeps no fund from expiring. */
  async function sweepOnce(): Promise<void> {
    const brooms: Record<string, () => Promise<unknown>> = {
      prepare,
      restartStrays: () => restartStrays({ recovery: ledger.recovery, temporal, metrics }),
      expireFunds: () => ledger.movements.expireFunds(),
      seal: () => sealBacklog(ledger.audit),
    };
    for (const [broom, sweep] of Object.entries(brooms)) {
      if (stopping) return;
      await sweep().catch((error: unknown) => log.warn({ err: error, broom }, 'sweep incomplete'));
    }
  }

  async function run(): Promise<void> {
    for (;;) {
      // Not all workers of a site at once.
      await pause.atMost(everyMs * (0.75 + Math.random() / 2));
      if (stopping) return;
      await sweepOnce();
    }
  }

  const running = run();
  return {
    stop: async () => {
      stopping = true;
      pause.end();
      await running;
    },
  };
}
