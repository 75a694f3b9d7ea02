/**
 * Watches the stories end. A hold that is no longer open has ended settled or released: the list of open holds, read again
 * and again, tells which, without asking for each of thousands of jobs.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { path, type Client } from '../client';
import type { Balance, Hold } from '../wire';
import type { Setup } from './setup';
import type { Followed, Tally } from './tally';

const FIRST_PAUSE_MS = 40;
const LONGEST_PAUSE_MS = 400;

export interface Watched {
  client: Client;
  setup: Setup;
  tally: Tally;
  interrupted: AbortSignal;
  /** Called once for each job whose story has ended, with its hold as it ended. */
  onClosed: (followed: Followed, hold: Hold) => void;
}

export class Watch {
  balances = new Map<string, Balance>();
  private reading: Promise<void> | undefined;
  private stopped = false;

  constructor(private readonly on: Watched) {}

  /** Looks again and again until it is stopped. */
  async goOn(): Promise<void> {
    while (!this.stopped && !this.on.interrupted.aborted) {
      await this.look();
      await sleep(LONGEST_PAUSE_MS);
    }
  }

  stop(): void {
    this.stopped = true;
  }

  /** Looks once; who comes while somebody looks already shares what he sees next. */
  async look(): Promise<void> {
    await this.reading;
    this.reading ??= this.read().finally(() => (this.reading = undefined));
    await this.reading;
  }

  private async read(): Promise<void> {
    const { client, setup, tally } = this.on;
    // Only what had ended before the list was read may be missing from it because it is closed.
    const ended = tally.where('ended');
    const open = new Set<string>();
    for (const cluster of setup.clusters) {
      const { rows } = await client.list<Hold>('/api/v1/holds', { cluster, status: 'open' }, undefined);
      for (const { transaction_id } of rows) open.add(transaction_id);
    }
    const closed = ended.filter(
      ({ holdId, standing }) => standing === 'ended' && holdId !== undefined && !open.has(holdId),
    );
    await Promise.all(closed.map((followed) => this.close(followed)));
    await Promise.all(
      setup.accounts.map(async (account) => {
        this.balances.set(account, await client.get<Balance>(path`/api/v1/accounts/${account}/balance`));
      }),
    );
  }

  private async close(followed: Followed): Promise<void> {
    const hold = await this.on.client.get<Hold>(path`/api/v1/holds/${followed.holdId ?? ''}`);
    if (hold.status === 'open' || followed.standing !== 'ended') return;
    // A job that never ran costs nothing; its hold is given back whole, whichever way it was closed.
    this.on.tally.move(followed, hold.charged === 0 ? 'released' : 'settled');
    this.on.onClosed(followed, hold);
  }

  /** Waits until nothing that ended is left open, in an account or anywhere; false if that does not come about in time. */
  async settled(options: { account?: string; withinMs: number; stalledMs?: number }): Promise<boolean> {
    const { tally, interrupted } = this.on;
    const left = () =>
      tally.where('ended').filter(({ job }) => options.account === undefined || job.account === options.account).length;
    const deadline = Date.now() + options.withinMs;
    let [pauseMs, before, progressAt] = [FIRST_PAUSE_MS, left(), Date.now()];
    while (left() > 0) {
      const now = Date.now();
      if (left() < before) [before, progressAt] = [left(), now];
      const stalled = options.stalledMs !== undefined && now - progressAt > options.stalledMs;
      if (now > deadline || stalled || interrupted.aborted) return false;
      await sleep(pauseMs);
      pauseMs = Math.min(pauseMs * 1.5, LONGEST_PAUSE_MS);
      await this.look();
    }
    return true;
  }
}
